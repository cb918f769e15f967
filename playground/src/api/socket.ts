/**
 * Subscriptions over one shared graphql-transport-ws socket.
 *
 * `follow` promises that a subscription outlives its connection: when the socket is lost it
 * connects again, with growing, jittered pauses, and goes on after the last event it handed out.
 */

import { createClient } from 'graphql-ws'
import type { Client } from 'graphql-ws'
import { readonly, shallowRef } from 'vue'

import { accessToken } from './account'
import { ApiError } from './errors'
import { ENDPOINT } from './http'
import type { Operation, StreamEvent } from './operations'

/** `idle`: nothing is subscribed, so there is no socket. */
export type ConnectionState = 'idle' | 'connecting' | 'online' | 'lost'

const PING_MS = 15_000
const PONG_MS = 8_000
const FIRST_PAUSE_MS = 400
const LONGEST_PAUSE_MS = 15_000

const state = shallowRef<ConnectionState>('idle')
export const connectionState = readonly(state)

export function socketUrl(): string {
  const url = new URL(ENDPOINT, location.href)
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
  return url.href
}

const client: Client = createClient({
  url: socketUrl(),
  // `follow` connects again itself, since each subscription has to move its `after` along.
  retryAttempts: 0,
  lazyCloseTimeout: 2_000,
  keepAlive: PING_MS,
  connectionParams: async () => {
    const token = await accessToken()
    return token === undefined ? {} : { authorization: `Bearer ${token}` }
  },
  // Losses are told by `follow`; there is nobody else to tell.
  onNonLazyError: () => undefined,
  on: {
    connecting: () => { if (state.value !== 'lost') state.value = 'connecting' },
    connected: () => { state.value = 'online' },
    closed: (event) => { state.value = (event as CloseEvent).wasClean && (event as CloseEvent).code === 1000 ? 'idle' : 'lost' },
    error: () => { state.value = 'lost' },
    ping: (received) => { if (!received) expectPong() },
    pong: (received) => { if (received) clearTimeout(pongTimer) },
  },
})

let pongTimer: ReturnType<typeof setTimeout> | undefined

/** A connection that died without a word is found by a ping that stays unanswered. */
function expectPong(): void {
  clearTimeout(pongTimer)
  pongTimer = setTimeout(() => { client.terminate() }, PONG_MS)
}

/** Drops the socket, so that what is followed goes on under the identity that holds now. */
export function reconnect(): void {
  client.terminate()
}

/**
 * The events of a subscription whose root field is aliased to `event`, until the server completes
 * it or `signal` aborts. Throws `ApiError` if the server refuses it.
 */
export async function* follow<Event extends StreamEvent, Variables extends object>(
  operation: Operation<{ event: Event }, Variables>,
  variables: Variables,
  signal: AbortSignal,
): AsyncGenerator<Event, void> {
  let after: string | undefined
  let losses = 0
  while (!signal.aborted) {
    const results = client.iterate<{ event: Event }>({ query: operation.document, variables: { ...variables, after } })
    const stop = () => void results.return?.()
    signal.addEventListener('abort', stop, { once: true })
    try {
      for await (const result of results) {
        if (result.errors) throw ApiError.of(result.errors)
        if (!result.data) continue
        losses = 0
        after = result.data.event.cursor
        yield result.data.event
      }
      return
    } catch (error) {
      if (error instanceof ApiError) throw error
      if (Array.isArray(error)) throw ApiError.of(error)
    } finally {
      signal.removeEventListener('abort', stop)
    }
    await pause(losses++, signal)
  }
}

function pause(losses: number, signal: AbortSignal): Promise<void> {
  const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** losses)
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      removeEventListener('online', done)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, longest * (0.5 + Math.random() / 2))
    addEventListener('online', done)
    signal.addEventListener('abort', done)
  })
}
