/**
 * One open chat session: its messages, the reply being written, and what a person can do with both.
 *
 * The state converges from three sources that overlap freely: answers to mutations, the session's
 * events (of other tabs and devices too) and the stream of the running reply. Messages carry a
 * version, so an older state never replaces a newer one, in whatever order they arrive.
 */

import { computed, onScopeDispose, reactive, ref, shallowRef } from 'vue'

import { execute, idempotencyKey } from '../api/client'
import { accepted, explain } from '../api/errors'
import * as api from '../api/operations'
import { follow } from '../api/socket'
import { Reply, beforeContinuation } from './reply'

const PAGE = 40
/** How often a reply's stream is read anew because something was missing in it. */
const MOST_READS = 5

/** A reply while it is being written. */
export interface LiveReply {
  generationId: string
  messageId: string
  /** What stays of the message in front of the reply; `undefined` until the first event of a continuation. */
  base: string | undefined
  text: string
  reasoning: string
  isStopping: boolean
}

export function useSession(id: string) {
  const scope = new AbortController()
  const messages = reactive(new Map<string, api.Message>())
  const session = shallowRef<api.ChatSession>()
  const models = shallowRef<api.Model[]>([])
  const isMissing = ref(false)
  const hasEarlier = ref(false)
  const live = ref<LiveReply>()
  const failure = ref<{ text: string; isRetryable: boolean }>()
  let firstCursor: string | null = null
  let attempt: { content: string; key: string } | undefined

  const ordered = computed(() => [...messages.values()].sort((a, b) => a.sequence - b.sequence))

  function keep(message: api.Message | null): void {
    if (!message) return
    const known = messages.get(message.id)
    if (!known || message.version >= known.version) messages.set(message.id, message)
  }

  async function load(): Promise<void> {
    const known = new Map(messages)
    const data = await execute(api.OpenSession, { id, last: PAGE }, scope.signal)
    models.value = data.models
    isMissing.value = data.chatSession === null
    if (!data.chatSession) return
    session.value = data.chatSession
    const { nodes, pageInfo } = data.chatSession.messages
    const present = new Set(nodes.map((message) => message.id))
    const oldest = nodes[0]?.sequence ?? 0
    // Only what was there before the question: an event may have brought more in the meantime.
    for (const [key, message] of known) if (message.sequence >= oldest && !present.has(key)) messages.delete(key)
    nodes.forEach(keep)
    hasEarlier.value = pageInfo.hasPreviousPage
    firstCursor = pageInfo.startCursor
    data.chatSession.activeGenerations.forEach(attend)
  }

  async function loadEarlier(): Promise<void> {
    if (firstCursor === null) return
    const { chatSession } = await execute(api.EarlierMessages, { id, last: PAGE, before: firstCursor }, scope.signal)
    chatSession?.messages.nodes.forEach(keep)
    hasEarlier.value = chatSession?.messages.pageInfo.hasPreviousPage ?? false
    firstCursor = chatSession?.messages.pageInfo.startCursor ?? null
  }

  /** Listens first and reads then, so that nothing falls between the two. */
  async function open(): Promise<void> {
    void listen()
    await load()
  }

  async function listen(): Promise<void> {
    try {
      for await (const event of follow(api.SessionEvents, { sessionId: id }, scope.signal)) {
        switch (event.__typename) {
          case 'MessageCreated':
          case 'MessageUpdated':
            keep(event.message)
            break
          case 'MessagesDeleted':
            for (const gone of event.ids) messages.delete(gone)
            break
          case 'GenerationStarted':
            attend(event.generation)
            break
          case 'GenerationFinished':
            keep(event.generation.message)
            break
          case 'SessionResync':
            await load()
        }
      }
    } catch (error) {
      if (!scope.signal.aborted) failure.value = { text: explain(error), isRetryable: false }
    }
  }

  /** Follows a reply to its end. A reply that is followed already is left alone. */
  function attend(generation: api.StartedGeneration): void {
    const { message } = generation
    keep(message)
    // Other clients ask for replies that make no message; there is nowhere to show them.
    if (!message || live.value?.generationId === generation.id || isOver(generation.status)) return
    failure.value = undefined
    const base = generation.kind === 'CONTINUE' ? undefined : ''
    live.value = { generationId: generation.id, messageId: message.id, base, text: base ?? message.content, reasoning: '', isStopping: false }
    void watch(generation.id).catch((error: unknown) => {
      if (scope.signal.aborted) return
      failure.value = { text: explain(error), isRetryable: false }
      if (live.value?.generationId === generation.id) live.value = undefined
    })
  }

  async function watch(generationId: string): Promise<void> {
    for (let reads = 0; reads < MOST_READS; reads++) {
      const end = await readReply(generationId)
      if (scope.signal.aborted) return
      if (end === 'gap') continue
      if (end?.message) keep(end.message)
      // Nothing was written, or something else than was read: what the server keeps is the truth.
      else await load()
      if (live.value?.generationId === generationId) live.value = undefined
      if (end?.error) failure.value = { text: end.error.message, isRetryable: end.error.retryable }
      return
    }
    throw new Error('This reply cannot be followed. Reload the page to see what came of it.')
  }

  async function readReply(generationId: string): Promise<'gap' | Extract<api.GenerationEvent, { __typename: 'GenerationEnded' }> | undefined> {
    const reply = new Reply()
    for await (const event of follow(api.GenerationStream, { generationId }, scope.signal)) {
      const isWhole = reply.apply(event)
      if (event.__typename === 'GenerationEnded') {
        const isProven = isWhole && (await reply.isProvenBy(event.sha256)) !== false
        if (!isProven) console.warn(`The stream of ${generationId} differed from the text as kept, which is shown instead.`)
        return event
      }
      if (!isWhole) return 'gap'
      const shown = live.value
      if (shown?.generationId !== generationId) continue
      shown.base ??= beforeContinuation(messages.get(shown.messageId)?.content ?? '', reply.text)
      shown.text = shown.base + reply.text
      shown.reasoning = reply.reasoning
    }
    return undefined
  }

  /** Throws `ApiError` or `InputError`; what was typed is then still the caller's. */
  async function send(content: string): Promise<void> {
    if (attempt?.content !== content) attempt = { content, key: idempotencyKey() }
    failure.value = undefined
    const payload = accepted((await execute(api.SendMessage, { input: { sessionId: id, content, idempotencyKey: attempt.key } })).sendMessage)
    attempt = undefined
    keep(payload.message)
    if (payload.generation) attend(payload.generation)
  }

  async function generate(kind: api.GenerationKind, messageId?: string): Promise<void> {
    failure.value = undefined
    const input = { sessionId: id, kind, idempotencyKey: idempotencyKey(), ...(messageId === undefined ? {} : { messageId }) }
    const { generation } = accepted((await execute(api.GenerateReply, { input })).generateReply)
    if (generation) attend(generation)
  }

  async function stop(): Promise<void> {
    const reply = live.value
    if (!reply) return
    reply.isStopping = true
    try {
      accepted((await execute(api.StopGeneration, { input: { generationId: reply.generationId } })).stopGeneration)
    } catch (error) {
      reply.isStopping = false
      throw error
    }
  }

  async function edit(message: api.Message, content: string): Promise<void> {
    const input = { id: message.id, content, expectedVersion: message.version }
    keep(accepted((await execute(api.EditMessage, { input })).editMessage).message)
  }

  async function remove(message: api.Message): Promise<void> {
    const { ids } = accepted((await execute(api.DeleteMessages, { input: { sessionId: id, ids: [message.id] } })).deleteMessages)
    for (const gone of ids) messages.delete(gone)
  }

  async function setHidden(message: api.Message, isHidden: boolean): Promise<void> {
    keep(accepted((await execute(api.SetMessageHidden, { input: { id: message.id, isHidden } })).setMessageHidden).message)
  }

  async function selectSwipe(message: api.Message, index: number): Promise<void> {
    keep(accepted((await execute(api.SelectSwipe, { input: { messageId: message.id, index } })).selectSwipe).message)
  }

  async function change(input: { title?: string; model?: string; isArchived?: boolean }): Promise<void> {
    const { chatSession } = accepted((await execute(api.UpdateChatSession, { input: { id, ...input } })).updateChatSession)
    if (chatSession && session.value) session.value = { ...session.value, ...chatSession }
  }

  onScopeDispose(() => { scope.abort() })

  return {
    id, session, models, messages: ordered, isMissing, hasEarlier, live, failure,
    open, loadEarlier, send, generate, stop, edit, remove, setHidden, selectSwipe, change,
  }
}

export type OpenChat = ReturnType<typeof useSession>

function isOver(status: api.GenerationStatus): boolean {
  return status === 'COMPLETED' || status === 'INTERRUPTED' || status === 'CANCELLED' || status === 'FAILED'
}
