// A reply put together from its events, by the rules a client goes by: a snapshot replaces the text, a delta is applied
// only where it continues it, a reset empties it, and the end proves by length and SHA-256 that nothing is missing.

import { createHash } from 'node:crypto';

export const replySubscription = `subscription Reply($id: ID!, $after: String) {
  generationStream(generationId: $id, after: $after) {
    __typename
    cursor
    length
    ... on GenerationSnapshot { text status }
    ... on GenerationDelta { text }
    ... on GenerationReset { reason attempt }
    ... on GenerationEnded { status sha256 finishReason message { id content } error { code message } }
  }
}`;

export class Reply {
  text = '';
  bytes = 0;
  cursor = null;
  events = 0;
  deltas = 0;
  ended = null;

  /** Applies an event; throws where the stream broke a promise. */
  apply(event) {
    if (this.ended) throw new Error(`${event.__typename} after the end`);
    this.events += 1;
    switch (event.__typename) {
      case 'GenerationSnapshot':
        this.#become(event.text);
        break;
      case 'GenerationDelta':
        if (this.bytes + Buffer.byteLength(event.text) !== event.length) {
          throw new Error(`a delta of ${Buffer.byteLength(event.text)} bytes makes ${event.length}, but ${this.bytes} are here`);
        }
        this.deltas += 1;
        this.#become(this.text + event.text);
        break;
      case 'GenerationReset':
        this.#become('');
        break;
      case 'GenerationEnded':
        this.ended = event;
        break;
      default:
        throw new Error(`an unknown event: ${event.__typename}`);
    }
    if (this.bytes !== event.length) throw new Error(`${event.__typename} says ${event.length} bytes, but ${this.bytes} are here`);
    this.cursor = event.cursor;
  }

  /** Where a client stands that remembers what this one knows now. */
  remember() {
    return { text: this.text, bytes: this.bytes, cursor: this.cursor };
  }

  /** Goes back to a place remembered earlier, as a client does that crashed and reloaded. */
  goBackTo({ text, bytes, cursor }) {
    Object.assign(this, { text, bytes, cursor });
  }

  /** Whether the text is, byte for byte, the one the server says it stored. */
  get isProven() {
    return this.ended !== null && sha256(this.text) === this.ended.sha256 && this.bytes === this.ended.length;
  }

  #become(text) {
    this.text = text;
    this.bytes = Buffer.byteLength(text);
  }
}

export const sha256 = (text) => createHash('sha256').update(text).digest('hex');

/** The checks that every client's reply must pass. */
export function checkReply(check, reply, how) {
  check(`${how}: the reply completed`, reply.ended?.status === 'COMPLETED', JSON.stringify(reply.ended));
  check(`${how}: length and SHA-256 are those of the stored text`, reply.isProven, `${reply.bytes} bytes here, ${reply.ended?.length} there`);
  check(`${how}: the message holds the same text`, reply.ended?.message?.content === reply.text);
}
