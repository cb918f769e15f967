/** What the views call: an operation in the name of the person who is signed in. */

import { accessToken, renewedToken } from './account'
import { ApiError } from './errors'
import { post } from './http'
import type { Operation } from './operations'

/** Throws `ApiError`. A token that ran out early, by a clock that is wrong or a key that was rotated, is renewed once. */
export async function execute<Data, Variables>(operation: Operation<Data, Variables>, variables: Variables, signal?: AbortSignal): Promise<Data> {
  const token = await accessToken()
  try {
    return await post(operation, variables, { token, signal })
  } catch (error) {
    if (token === undefined || !(error instanceof ApiError) || error.code !== 'UNAUTHENTICATED') throw error
    const renewed = await renewedToken(token)
    if (renewed === undefined) throw new ApiError('Your sign-in has ended. Please sign in again.', 'UNAUTHENTICATED')
    return await post(operation, variables, { token: renewed, signal })
  }
}

/** A name for one intended turn: sending it again, after an answer was lost, makes no second turn. */
export function idempotencyKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
