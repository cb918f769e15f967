/** Operations to begin with. They are checked against the schema snapshot like the page's own. */

export interface Example { title: string; query: string; variables: string }

const example = (title: string, query: string, variables: object = {}): Example => ({ title, query: `${query.trim()}\n`, variables: JSON.stringify(variables, null, 2) })

export const EXAMPLES: readonly Example[] = [
  example('Characters, most popular first', `
query Characters($first: Int!, $after: String) {
  characters(first: $first, after: $after, orderBy: POPULAR) {
    nodes {
      id
      name
      tags
      chatCount
      creator {
        username
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}`, { first: 10 }),
  example('Search characters', `
query Search($query: String!) {
  characters(first: 5, filter: { query: $query }, orderBy: RELEVANCE) {
    totalCount
    nodes {
      id
      name
      description
    }
  }
}`, { query: 'forest' }),
  example('Who am I, and my chats', `
query Me {
  viewer {
    email
    roles
    user {
      username
      createdAt
    }
    chatSessions(first: 10) {
      nodes {
        id
        title
        messageCount
        characters {
          name
        }
      }
    }
  }
}`),
  example('Models', `
query Models {
  models {
    name
    contextTokens
    maxOutputTokens
    available
    promptPrice
    completionPrice
  }
}`),
  example('What this server accepts', `
query Limits {
  serviceLimits {
    maxPageSize
    queryDepth
    complexity
    uploadBytes
    queryTimeoutMs
    socketOperations
  }
}`),
  example('Start a chat', `
mutation StartChat($input: CreateChatSessionInput!) {
  createChatSession(input: $input) {
    chatSession {
      id
      messages(first: 1) {
        nodes {
          content
        }
      }
    }
    userErrors {
      message
      field
      code
    }
  }
}`, { input: { characterIds: ['chr_…'], greeting: 0 } }),
  example('Send a message', `
mutation Send($input: SendMessageInput!) {
  sendMessage(input: $input) {
    message {
      id
    }
    generation {
      id
      status
    }
    userErrors {
      message
      field
      code
    }
  }
}`, { input: { sessionId: 'ses_…', content: 'Hello!' } }),
  example('Follow a reply (subscription)', `
subscription Reply($generationId: ID!, $after: String) {
  generationStream(generationId: $generationId, after: $after) {
    __typename
    cursor
    length
    ... on GenerationSnapshot {
      text
      status
    }
    ... on GenerationDelta {
      text
    }
    ... on GenerationReset {
      reason
    }
    ... on GenerationEnded {
      status
      sha256
      error {
        code
        message
      }
    }
  }
}`, { generationId: 'gen_…' }),
  example('Watch a session (subscription)', `
subscription Session($sessionId: ID!) {
  sessionEvents(sessionId: $sessionId) {
    __typename
    cursor
    at
    ... on MessageCreated {
      message {
        role
        content
      }
    }
    ... on MessageUpdated {
      message {
        id
        content
      }
    }
    ... on MessagesDeleted {
      ids
    }
    ... on GenerationStarted {
      generation {
        id
        kind
      }
    }
    ... on GenerationFinished {
      generation {
        id
        status
      }
    }
  }
}`, { sessionId: 'ses_…' }),
]
