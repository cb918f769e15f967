import { describe, expect, it } from 'vitest'

import type { GenerationEvent } from '../src/api/operations'
import { Reply, beforeContinuation } from '../src/chat/reply'

const snapshot = (text: string): GenerationEvent =>
  ({ __typename: 'GenerationSnapshot', cursor: '', length: new TextEncoder().encode(text).length, text, reasoning: null, status: 'STREAMING' })
const delta = (length: number, text: string, reasoning: string | null = null): GenerationEvent =>
  ({ __typename: 'GenerationDelta', cursor: '', length, text, reasoning })
const ended = (length: number): GenerationEvent =>
  ({ __typename: 'GenerationEnded', cursor: '', length, status: 'COMPLETED', sha256: '', error: null, message: null })

describe('a continuation', () => {
  it('goes on after the text that stood there', () => {
    expect(beforeContinuation('Once upon', ' a time')).toBe('Once upon')
  })

  it('is not shown twice when the message was read with a part of it', () => {
    expect(beforeContinuation('Once upon a ti', ' a time')).toBe('Once upon')
  })
})

describe('a reply', () => {
  it('grows by deltas counted in utf8 bytes', () => {
    const reply = new Reply()
    expect([reply.apply(snapshot('é')), reply.apply(delta(6, '🙂')), reply.apply(ended(6))]).toEqual([true, true, true])
    expect(reply.text).toBe('é🙂')
  })

  it('is unchanged by a delta that comes twice', () => {
    const reply = new Reply()
    for (const event of [delta(2, 'ab'), delta(4, 'cd'), delta(4, 'cd'), delta(2, 'ab')]) expect(reply.apply(event)).toBe(true)
    expect(reply.text).toBe('abcd')
  })

  it('notices a missing delta', () => {
    const reply = new Reply()
    reply.apply(delta(2, 'ab'))
    expect(reply.apply(delta(6, 'ef'))).toBe(false)
    expect(reply.text).toBe('ab')
  })

  it('notices at the end that bytes are missing', () => {
    const reply = new Reply()
    reply.apply(delta(2, 'ab'))
    expect(reply.apply(ended(4))).toBe(false)
  })

  it('takes a delta of reasoning alone', () => {
    const reply = new Reply()
    reply.apply(delta(0, '', 'Hm.'))
    reply.apply(delta(2, 'ab'))
    expect([reply.reasoning, reply.text]).toEqual(['Hm.', 'ab'])
  })

  it('starts anew after a reset', () => {
    const reply = new Reply()
    reply.apply(delta(2, 'ab'))
    expect(reply.apply({ __typename: 'GenerationReset', cursor: '', length: 0, reason: 'retry' })).toBe(true)
    reply.apply(delta(1, 'x'))
    expect(reply.text).toBe('x')
  })

  it('is proven by the hash of its bytes and by no other', async () => {
    const reply = new Reply()
    reply.apply(snapshot('abc'))
    expect(await reply.isProvenBy('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')).toBe(true)
    expect(await reply.isProvenBy('00'.repeat(32))).toBe(false)
  })
})
