// Values that stay, as JSON. Only for extensions with a permission `kv:…`.

import * as store from 'tavern:extension/key-value@0.1.0';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const values = (scope) => ({
  /** The value, or `otherwise` if there is none. */
  get(key, otherwise) {
    const entry = store.get(scope, key);
    return entry ? JSON.parse(decoder.decode(entry.value)) : otherwise;
  },
  /** Keeps a value; `ttlMs` is how long, for ever if left out. */
  set(key, value, ttlMs) {
    store.set(scope, key, encoder.encode(JSON.stringify(value)), ttlMs === undefined ? undefined : BigInt(ttlMs), undefined);
  },
  /** Whether there was one. */
  delete: (key) => store.delete(scope, key),
  /** Keys that begin so, after `after`. */
  keys: (prefix = '', { after, limit = 100 } = {}) => store.listKeys(scope, prefix, after, limit),
});

/** `chat.get('key')`, `chat.set('key', value)`: each chat has its own. */
export const chat = values('chat');
/** Each user of the installation has their own. */
export const user = values('user');
/** One for the whole installation. */
export const installation = values('installation');
