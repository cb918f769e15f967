/** GraphQL over HTTP: one operation, one answer. Knows nothing of who is signed in. */

import { ApiError } from './errors'
import type { Operation } from './operations'

export const ENDPOINT = '/graphql'

export interface PostOptions { token?: string | undefined; signal?: AbortSignal | undefined }

/** Throws `ApiError` unless the whole answer came without an error. */
export async function post<Data, Variables>(
  operation: Operation<Data, Variables>,
  variables: Variables,
  { token, signal }: PostOptions = {},
): Promise<Data> {
  const headers = new Headers({ accept: 'application/graphql-response+json' })
  if (token !== undefined) headers.set('authorization', `Bearer ${token}`)

  const response = await send({ method: 'POST', headers, body: encode(operation.document, variables, headers), signal: signal ?? null })
  const answer = await readAnswer<Data>(response)
  if (answer.errors) throw ApiError.of(answer.errors)
  if (!answer.data) throw new ApiError(`The server answered with status ${response.status} and no data.`, 'INTERNAL_SERVER_ERROR')
  return answer.data
}

async function send(init: RequestInit): Promise<Response> {
  try {
    return await fetch(ENDPOINT, init)
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause
    throw ApiError.unreachable()
  }
}

interface Answer<Data> { data?: Data | null; errors?: { message: string; extensions?: Record<string, unknown> }[] }

async function readAnswer<Data>(response: Response): Promise<Answer<Data>> {
  try {
    return (await response.json()) as Answer<Data>
  } catch {
    throw new ApiError(`The server answered with status ${response.status} in a form this page does not understand.`, 'INTERNAL_SERVER_ERROR')
  }
}

/** JSON, or a form by the GraphQL multipart request specification when the variables hold files. */
function encode(query: string, variables: unknown, headers: Headers): BodyInit {
  const files = new Map<string, File>()
  const plain = withoutFiles(variables, 'variables', files)
  const operations = JSON.stringify({ query, variables: plain })
  if (files.size === 0) {
    headers.set('content-type', 'application/json')
    return operations
  }
  // Tells the server that this is no form of another site: those cannot set headers.
  headers.set('apollo-require-preflight', '1')
  const form = new FormData()
  form.set('operations', operations)
  form.set('map', JSON.stringify(Object.fromEntries([...files.keys()].map((path, index) => [index, [path]]))))
  for (const [index, file] of [...files.values()].entries()) form.set(String(index), file, file.name)
  return form
}

function withoutFiles(value: unknown, path: string, files: Map<string, File>): unknown {
  if (value instanceof File) {
    files.set(path, value)
    return null
  }
  if (Array.isArray(value)) return value.map((item, index) => withoutFiles(item, `${path}.${index}`, files))
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withoutFiles(item, `${path}.${key}`, files)]))
  }
  return value
}
