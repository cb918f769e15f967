import { describe, expect, it } from 'vitest'

import { ApiError, InputError, accepted, explain } from '../src/api/errors'

describe('errors', () => {
  it('a refused input tells the first message of each field', () => {
    const error = new InputError([
      { message: 'Too short.', field: ['input', 'password'], code: 'BAD_USER_INPUT' },
      { message: 'Too plain.', field: ['input', 'password'], code: 'BAD_USER_INPUT' },
      { message: 'Come back later.', field: null, code: 'CONFLICT' },
    ])
    expect(error.fields).toEqual({ password: 'Too short.', '': 'Come back later.' })
  })

  it('a payload without user errors passes', () => {
    const payload = { userErrors: [], ids: ['a'] }
    expect(accepted(payload)).toBe(payload)
  })

  it('a rate limit says when to try again', () => {
    const error = ApiError.of([{ message: 'Too many attempts.', extensions: { code: 'RATE_LIMITED', retryAfterMs: 1_200 } }])
    expect(explain(error)).toBe('Too many attempts. Try again in 2 seconds.')
  })

  it('an error without a code counts as the servers own', () => {
    expect(ApiError.of([{ message: 'Oh.' }]).code).toBe('INTERNAL_SERVER_ERROR')
  })
})
