/** Runs what stands in the explorer's editors and hands back the server's answer as it is. */

import { createClient } from 'graphql-ws'

import { accessToken } from '../api/account'
import { ApiError } from '../api/errors'
import { ENDPOINT } from '../api/http'
import { socketUrl } from '../api/socket'

export interface Request { query: string; operationName: string | undefined; variables: Record<string, unknown> }
export interface Outcome { body: unknown; status: number; ms: number }

/** The person's own token, unless the headers bring another. */
async function withIdentity(headers: Record<string, unknown>): Promise<Record<string, string>> {
  const result = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value)]))
  const token = 'authorization' in result ? undefined : await accessToken()
  return token === undefined ? result : { ...result, authorization: `Bearer ${token}` }
}

export async function runOverHttp(request: Request, headers: Record<string, unknown>, signal: AbortSignal): Promise<Outcome> {
  const allHeaders = { accept: 'application/graphql-response+json', ...(await withIdentity(headers)), 'content-type': 'application/json' }
  const begun = performance.now()
  let response: Response
  let text: string
  try {
    response = await fetch(ENDPOINT, { method: 'POST', headers: allHeaders, body: JSON.stringify(request), signal })
    text = await response.text()
  } catch (cause) {
    throw signal.aborted ? cause : ApiError.unreachable()
  }
  const ms = Math.round(performance.now() - begun)
  try {
    return { body: JSON.parse(text), status: response.status, ms }
  } catch {
    return { body: text, status: response.status, ms }
  }
}

/** The results of a subscription over a socket of its own, which ends with it. Throws `ApiError` when the server refuses it or the socket is lost. */
export async function* runOverSocket(request: Request, headers: Record<string, unknown>, signal: AbortSignal): AsyncGenerator<unknown, void> {
  const client = createClient({ url: socketUrl(), retryAttempts: 0, connectionParams: () => withIdentity(headers) })
  const results = client.iterate({ query: request.query, variables: request.variables, operationName: request.operationName ?? null })
  signal.addEventListener('abort', () => void results.return?.(), { once: true })
  try {
    yield* results
  } catch (error) {
    if (signal.aborted) return
    if (Array.isArray(error)) throw ApiError.of(error)
    const { code, reason } = error as Partial<CloseEvent>
    throw code === undefined ? ApiError.unreachable() : new ApiError(`The connection was closed: ${reason || 'no reason was given'} (${code}).`, String(code))
  } finally {
    void client.dispose()
  }
}
