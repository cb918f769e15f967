/** What can go wrong between the page and the server, told as sentences a person can act on. */

import type { Payload, UserError } from './operations'

/** The code of a request that got no answer at all. */
export const UNREACHABLE = 'UNREACHABLE'

interface GraphQLErrorLike { message: string; extensions?: Record<string, unknown> | undefined }

/** An error of the operation as a whole; `code` is one of the API's closed list, or `UNREACHABLE`. */
export class ApiError extends Error {
  constructor(message: string, readonly code: string, readonly retryAfterMs?: number) {
    super(message)
  }

  static of(errors: readonly GraphQLErrorLike[]): ApiError {
    const first = errors[0]
    const { code, retryAfterMs } = first?.extensions ?? {}
    return new ApiError(
      first?.message ?? 'The server answered with an error that it did not explain.',
      typeof code === 'string' ? code : 'INTERNAL_SERVER_ERROR',
      typeof retryAfterMs === 'number' ? retryAfterMs : undefined,
    )
  }

  static unreachable(): ApiError {
    return new ApiError('The server cannot be reached. Check your connection and try again.', UNREACHABLE)
  }
}

/** What the person who sent an input can put right, by field. */
export class InputError extends Error {
  /** The first message about each field, by the field's name; about the input as a whole under the empty name. */
  readonly fields: Readonly<Record<string, string>>

  constructor(errors: readonly UserError[]) {
    super(errors.map((error) => error.message).join(' '))
    const fields: Record<string, string> = {}
    for (const { field, message } of errors) {
      const name = field?.at(-1) ?? ''
      fields[name] ??= message
    }
    this.fields = fields
  }
}

/** The payload if the input was accepted. Throws `InputError` otherwise. */
export function accepted<P extends Payload>(payload: P): P {
  if (payload.userErrors.length > 0) throw new InputError(payload.userErrors)
  return payload
}

/** Any failure as text to show. */
export function explain(error: unknown): string {
  if (error instanceof ApiError && error.code === 'RATE_LIMITED' && error.retryAfterMs !== undefined) {
    const seconds = Math.max(1, Math.ceil(error.retryAfterMs / 1000))
    return `${error.message} Try again in ${seconds} ${seconds === 1 ? 'second' : 'seconds'}.`
  }
  return error instanceof Error && error.message ? error.message : 'Something went wrong. Please try again.'
}
