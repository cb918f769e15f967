/**
 * The text of one reply, put together from the events of its stream.
 *
 * Lengths are UTF-8 bytes, as the server counts them. A delta is applied if and only if it
 * continues the text, so an event that comes twice changes nothing and a missing one is noticed.
 */

import type { GenerationEvent } from '../api/operations'

const encoder = new TextEncoder()
const byteLength = (text: string) => encoder.encode(text).length

/**
 * What stood in a message before the reply that continues it: `content` without the part of the
 * reply that the server had already added to it when it was read.
 */
export function beforeContinuation(content: string, reply: string): string {
  for (let start = Math.max(0, content.length - reply.length); start < content.length; start++) {
    if (content[start] === reply[0] && reply.startsWith(content.slice(start))) return content.slice(0, start)
  }
  return content
}

export class Reply {
  text = ''
  reasoning = ''
  private length = 0

  /** False if something is missing before this event: the stream must be read from its beginning. */
  apply(event: GenerationEvent): boolean {
    switch (event.__typename) {
      case 'GenerationSnapshot':
        this.text = event.text
        this.reasoning = event.reasoning ?? ''
        this.length = event.length
        return true
      case 'GenerationDelta':
        if (event.length < this.length || (event.length === this.length && event.text !== '')) return true
        if (event.length !== this.length + byteLength(event.text)) return false
        this.text += event.text
        this.reasoning += event.reasoning ?? ''
        this.length = event.length
        return true
      case 'GenerationReset':
        this.text = ''
        this.reasoning = ''
        this.length = 0
        return event.length === 0
      case 'GenerationEnded':
        return event.length === this.length
    }
  }

  /** Whether the text is, byte for byte, the one the server keeps; `undefined` where the browser cannot tell (pages over plain HTTP). */
  async isProvenBy(sha256: string): Promise<boolean | undefined> {
    const subtle = crypto.subtle as SubtleCrypto | undefined
    if (!subtle) return undefined
    const digest = new Uint8Array(await subtle.digest('SHA-256', encoder.encode(this.text)))
    return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('') === sha256.toLowerCase()
  }
}
