/**
 * Every operation the chat uses, with the types of its variables and data.
 *
 * The documents are checked against `schema/schema.graphql` by `test/operations.test.ts`, so a
 * change of the schema that breaks the playground is found before it is served.
 */

/** A document together with what it takes and gives. The type parameters exist for the compiler only. */
export interface Operation<Data, Variables = Record<string, never>> {
  readonly document: string
  readonly types?: (variables: Variables) => Data
}

const operation = <Data, Variables = Record<string, never>>(document: string): Operation<Data, Variables> => ({ document })

// Fragments

const USER_ERRORS = 'userErrors { message field code }'

const VIEWER = `fragment ViewerParts on Viewer {
  id email roles
  user { id username displayName avatarUrl }
}`

const CHARACTER_CARD = `fragment CharacterCard on Character {
  id name description creatorNotes tags avatarUrl(size: 256) visibility isNsfw chatCount
  creator { id username displayName }
}`

const SESSION_SUMMARY = `fragment SessionSummary on ChatSession {
  id title isArchived messageCount lastMessageAt updatedAt
  characters { id name avatarUrl(size: 96) }
}`

const GENERATION_PARTS = `fragment GenerationParts on Generation {
  id kind status model
  error { code message retryable }
}`

const MESSAGE_PARTS = `fragment MessageParts on Message {
  id sequence role content reasoning activeSwipe isEdited isHidden version createdAt
  swipes { index }
  author { __typename ... on User { id displayName } ... on Character { id name avatarUrl(size: 96) } }
  generation { ...GenerationParts }
}
${GENERATION_PARTS}`

// Data

export interface UserError { message: string; field: string[] | null; code: string }
export interface Payload { userErrors: UserError[] }
export interface TokenPair { accessToken: string; refreshToken: string; expiresAt: string }
export interface Viewer {
  id: string
  email: string
  roles: string[]
  user: { id: string; username: string; displayName: string; avatarUrl: string | null }
}
export interface PageInfo { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string | null; endCursor: string | null }
export interface Connection<Item> { nodes: Item[]; pageInfo: PageInfo }

export type Visibility = 'PRIVATE' | 'UNLISTED' | 'PUBLIC'
export type CharacterOrder = 'POPULAR' | 'RATING' | 'CREATED' | 'UPDATED' | 'RELEVANCE' | 'TRENDING'
export interface CharacterCard {
  id: string
  name: string
  description: string
  creatorNotes: string
  tags: string[]
  avatarUrl: string | null
  visibility: Visibility
  isNsfw: boolean
  chatCount: number
  creator: { id: string; username: string; displayName: string } | null
}
export interface CharacterDetails extends CharacterCard {
  portraitUrl: string | null
  personality: string
  scenario: string
  firstMessage: string
  alternateGreetings: string[]
  specVersion: string
  version: number
}

export interface SessionSummary {
  id: string
  title: string
  isArchived: boolean
  messageCount: number
  lastMessageAt: string | null
  updatedAt: string
  characters: { id: string; name: string; avatarUrl: string | null }[]
}
export type GenerationKind = 'NORMAL' | 'CONTINUE' | 'REGENERATE' | 'SWIPE'
export type GenerationStatus = 'QUEUED' | 'CONNECTING' | 'STREAMING' | 'COMPLETED' | 'INTERRUPTED' | 'CANCELLED' | 'FAILED'
export interface GenerationError { code: string; message: string; retryable: boolean }
export interface Generation {
  id: string
  kind: string
  status: GenerationStatus
  model: string
  error: GenerationError | null
}
export interface StartedGeneration extends Generation { message: Message | null }
export interface Message {
  id: string
  sequence: number
  role: 'USER' | 'ASSISTANT' | 'SYSTEM' | 'TOOL'
  content: string
  reasoning: string | null
  activeSwipe: number
  isEdited: boolean
  isHidden: boolean
  version: number
  createdAt: string
  swipes: { index: number }[]
  author:
    | { __typename: 'User'; id: string; displayName: string }
    | { __typename: 'Character'; id: string; name: string; avatarUrl: string | null }
    | null
  generation: Generation | null
}
export interface ChatSession extends SessionSummary {
  model: string
  messages: Connection<Message>
  activeGenerations: StartedGeneration[]
}

export interface Model { name: string; contextTokens: number; maxOutputTokens: number; available: boolean }

// Accounts

export const Register = operation<
  { register: Payload & { viewer: Viewer | null; tokens: TokenPair | null } },
  { input: { username: string; email: string; password: string } }
>(`mutation Register($input: RegisterInput!) {
  register(input: $input) { viewer { ...ViewerParts } tokens { accessToken refreshToken expiresAt } ${USER_ERRORS} }
}
${VIEWER}`)

export const Login = operation<
  { login: Payload & { viewer: Viewer | null; tokens: TokenPair | null } },
  { input: { login: string; password: string } }
>(`mutation Login($input: LoginInput!) {
  login(input: $input) { viewer { ...ViewerParts } tokens { accessToken refreshToken expiresAt } ${USER_ERRORS} }
}
${VIEWER}`)

export const RefreshTokens = operation<
  { refreshTokens: Payload & { tokens: TokenPair | null } },
  { input: { refreshToken: string } }
>(`mutation RefreshTokens($input: RefreshTokensInput!) {
  refreshTokens(input: $input) { tokens { accessToken refreshToken expiresAt } ${USER_ERRORS} }
}`)

export const Logout = operation<{ logout: Payload }, { input: { refreshToken: string } }>(
  `mutation Logout($input: LogoutInput!) { logout(input: $input) { ${USER_ERRORS} } }`,
)

export const Who = operation<{ viewer: Viewer | null }>(`query Who { viewer { ...ViewerParts } }
${VIEWER}`)

export const UpdateProfile = operation<{ updateProfile: Payload & { viewer: Viewer | null } }, { input: { displayName: string } }>(
  `mutation UpdateProfile($input: UpdateProfileInput!) {
  updateProfile(input: $input) { viewer { ...ViewerParts } ${USER_ERRORS} }
}
${VIEWER}`,
)

// Characters

export const Characters = operation<
  { characters: Connection<CharacterCard> },
  { first: number; after?: string | undefined; query?: string | undefined; orderBy: CharacterOrder }
>(`query Characters($first: Int!, $after: String, $query: String, $orderBy: CharacterOrder) {
  characters(first: $first, after: $after, filter: { query: $query }, orderBy: $orderBy) {
    nodes { ...CharacterCard }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
${CHARACTER_CARD}`)

export const OwnCharacters = operation<
  { viewer: { characters: Connection<CharacterCard> } | null },
  { first: number; after?: string | undefined }
>(`query OwnCharacters($first: Int!, $after: String) {
  viewer {
    characters(first: $first, after: $after) {
      nodes { ...CharacterCard }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }
}
${CHARACTER_CARD}`)

export const OneCharacter = operation<{ character: CharacterDetails | null }, { id: string }>(
  `query OneCharacter($id: ID!) {
  character(id: $id) {
    ...CharacterCard
    portraitUrl: avatarUrl
    personality scenario firstMessage alternateGreetings specVersion version
  }
}
${CHARACTER_CARD}`,
)

export const ImportCharacter = operation<
  { importCharacter: Payload & { character: { id: string; name: string } | null; warnings: string[] } },
  { file: File }
>(`mutation ImportCharacter($file: Upload!) {
  importCharacter(input: { source: { file: $file } }) { character { id name } warnings ${USER_ERRORS} }
}`)

export const SetCharacterVisibility = operation<
  { setCharacterVisibility: Payload & { character: { id: string; visibility: Visibility } | null } },
  { input: { id: string; visibility: Visibility } }
>(`mutation SetCharacterVisibility($input: SetCharacterVisibilityInput!) {
  setCharacterVisibility(input: $input) { character { id visibility } ${USER_ERRORS} }
}`)

export const DeleteCharacter = operation<{ deleteCharacter: Payload }, { input: { id: string } }>(
  `mutation DeleteCharacter($input: DeleteCharacterInput!) { deleteCharacter(input: $input) { ${USER_ERRORS} } }`,
)

// Sessions

export const Sessions = operation<
  { viewer: { chatSessions: Connection<SessionSummary> } | null },
  { first: number; after?: string | undefined; archived: boolean }
>(`query Sessions($first: Int!, $after: String, $archived: Boolean!) {
  viewer {
    chatSessions(first: $first, after: $after, archived: $archived) {
      nodes { ...SessionSummary }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }
}
${SESSION_SUMMARY}`)

export const CreateChatSession = operation<
  { createChatSession: Payload & { chatSession: { id: string } | null } },
  { input: { characterIds: string[]; greeting?: number } }
>(`mutation CreateChatSession($input: CreateChatSessionInput!) {
  createChatSession(input: $input) { chatSession { id } ${USER_ERRORS} }
}`)

export const UpdateChatSession = operation<
  { updateChatSession: Payload & { chatSession: (SessionSummary & { model: string }) | null } },
  { input: { id: string; title?: string; model?: string; isArchived?: boolean } }
>(`mutation UpdateChatSession($input: UpdateChatSessionInput!) {
  updateChatSession(input: $input) { chatSession { ...SessionSummary model } ${USER_ERRORS} }
}
${SESSION_SUMMARY}`)

export const DeleteChatSession = operation<{ deleteChatSession: Payload }, { input: { id: string } }>(
  `mutation DeleteChatSession($input: DeleteChatSessionInput!) { deleteChatSession(input: $input) { ${USER_ERRORS} } }`,
)

export const OpenSession = operation<{ chatSession: ChatSession | null; models: Model[] }, { id: string; last: number }>(
  `query OpenSession($id: ID!, $last: Int!) {
  models { name contextTokens maxOutputTokens available }
  chatSession(id: $id) {
    ...SessionSummary
    model
    messages(last: $last) { nodes { ...MessageParts } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }
    activeGenerations { ...GenerationParts message { ...MessageParts } }
  }
}
${SESSION_SUMMARY}
${MESSAGE_PARTS}`,
)

export const EarlierMessages = operation<
  { chatSession: { messages: Connection<Message> } | null },
  { id: string; last: number; before: string }
>(`query EarlierMessages($id: ID!, $last: Int!, $before: String!) {
  chatSession(id: $id) {
    messages(last: $last, before: $before) { nodes { ...MessageParts } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }
  }
}
${MESSAGE_PARTS}`)

// Turns

export const SendMessage = operation<
  { sendMessage: Payload & { message: Message | null; generation: StartedGeneration | null } },
  { input: { sessionId: string; content: string; idempotencyKey: string } }
>(`mutation SendMessage($input: SendMessageInput!) {
  sendMessage(input: $input) {
    message { ...MessageParts }
    generation { ...GenerationParts message { ...MessageParts } }
    ${USER_ERRORS}
  }
}
${MESSAGE_PARTS}`)

export const GenerateReply = operation<
  { generateReply: Payload & { generation: StartedGeneration | null } },
  { input: { sessionId: string; kind: GenerationKind; messageId?: string; idempotencyKey: string } }
>(`mutation GenerateReply($input: GenerateReplyInput!) {
  generateReply(input: $input) {
    generation { ...GenerationParts message { ...MessageParts } }
    ${USER_ERRORS}
  }
}
${MESSAGE_PARTS}`)

export const StopGeneration = operation<
  { stopGeneration: Payload & { generation: { id: string; status: GenerationStatus } | null } },
  { input: { generationId: string } }
>(`mutation StopGeneration($input: StopGenerationInput!) {
  stopGeneration(input: $input) { generation { id status } ${USER_ERRORS} }
}`)

export const EditMessage = operation<
  { editMessage: Payload & { message: Message | null } },
  { input: { id: string; content: string; expectedVersion?: number } }
>(`mutation EditMessage($input: EditMessageInput!) {
  editMessage(input: $input) { message { ...MessageParts } ${USER_ERRORS} }
}
${MESSAGE_PARTS}`)

export const DeleteMessages = operation<
  { deleteMessages: Payload & { ids: string[] } },
  { input: { sessionId: string; ids: string[] } }
>(`mutation DeleteMessages($input: DeleteMessagesInput!) {
  deleteMessages(input: $input) { ids ${USER_ERRORS} }
}`)

export const SetMessageHidden = operation<
  { setMessageHidden: Payload & { message: Message | null } },
  { input: { id: string; isHidden: boolean } }
>(`mutation SetMessageHidden($input: SetMessageHiddenInput!) {
  setMessageHidden(input: $input) { message { ...MessageParts } ${USER_ERRORS} }
}
${MESSAGE_PARTS}`)

export const SelectSwipe = operation<
  { selectSwipe: Payload & { message: Message | null } },
  { input: { messageId: string; index: number } }
>(`mutation SelectSwipe($input: SelectSwipeInput!) {
  selectSwipe(input: $input) { message { ...MessageParts } ${USER_ERRORS} }
}
${MESSAGE_PARTS}`)

// Subscriptions: the root field is aliased to `event`, so that one reader serves both.

/** What every subscription event carries: `cursor` resumes after it. */
export interface StreamEvent { __typename: string; cursor: string }

export type GenerationEvent =
  | { __typename: 'GenerationSnapshot'; cursor: string; length: number; text: string; reasoning: string | null; status: GenerationStatus }
  | { __typename: 'GenerationDelta'; cursor: string; length: number; text: string; reasoning: string | null }
  | { __typename: 'GenerationReset'; cursor: string; length: number; reason: string }
  | {
      __typename: 'GenerationEnded'
      cursor: string
      length: number
      status: GenerationStatus
      sha256: string
      error: GenerationError | null
      message: Message | null
    }

export const GenerationStream = operation<{ event: GenerationEvent }, { generationId: string }>(
  `subscription GenerationStream($generationId: ID!, $after: String) {
  event: generationStream(generationId: $generationId, after: $after) {
    __typename cursor length
    ... on GenerationSnapshot { text reasoning status }
    ... on GenerationDelta { text reasoning }
    ... on GenerationReset { reason }
    ... on GenerationEnded { status sha256 error { code message retryable } message { ...MessageParts } }
  }
}
${MESSAGE_PARTS}`,
)

export type SessionEvent =
  | { __typename: 'MessageCreated' | 'MessageUpdated'; cursor: string; message: Message }
  | { __typename: 'MessagesDeleted'; cursor: string; ids: string[] }
  | { __typename: 'GenerationStarted' | 'GenerationFinished'; cursor: string; generation: StartedGeneration }
  | { __typename: 'SessionResync'; cursor: string }

export const SessionEvents = operation<{ event: SessionEvent }, { sessionId: string }>(
  `subscription SessionEvents($sessionId: ID!, $after: String) {
  event: sessionEvents(sessionId: $sessionId, after: $after) {
    __typename cursor
    ... on MessageCreated { message { ...MessageParts } }
    ... on MessageUpdated { message { ...MessageParts } }
    ... on MessagesDeleted { ids }
    ... on GenerationStarted { generation { ...GenerationParts message { ...MessageParts } } }
    ... on GenerationFinished { generation { ...GenerationParts message { ...MessageParts } } }
  }
}
${MESSAGE_PARTS}`,
)
