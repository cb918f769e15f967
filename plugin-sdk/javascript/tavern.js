// What every hook may need: settings, log, tokens, chances, and words for what hooks give back.

import { all } from 'tavern:extension/config@0.1.0';
import { write } from 'tavern:extension/log@0.1.0';
import { count } from 'tavern:extension/metrics@0.1.0';
export { countTokens, truncateTokens } from 'tavern:extension/text@0.1.0';

/** The owner's settings: what `config.schema.json` describes, without secrets. */
export const config = () => JSON.parse(all());

const line = (level) => (message, fields = {}) =>
  write(level, String(message), Object.entries(fields).map(([key, value]) => ({ key, value: String(value) })));

/** `log.info('what happened', { field: value })`: for the author and the owner, never for secrets or prompts. */
export const log = { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };

/** Adds to a counter that the manifest declares. */
export const metric = (name, delta = 1) => count(name, delta);

/** Thrown, they end the hook: nothing to do; settings that cannot be worked with; trouble that may pass. */
export const skip = (why = '') => ({ tag: 'skip', val: why });
export const invalidConfig = (why) => ({ tag: 'invalid-config', val: why });
export const retryable = (why) => ({ tag: 'retryable', val: why });

/** Chances of a turn: the same turn draws the same. `salt` sets apart what is drawn for different ends. */
export class Random {
  #state;

  constructor(turn, salt = '') {
    this.#state = BigInt.asUintN(64, BigInt(turn.seed));
    for (const letter of salt) this.#state = BigInt.asUintN(64, this.#state * 31n + BigInt(letter.codePointAt(0)));
  }

  /** 64 bits, by SplitMix64. */
  next() {
    this.#state = BigInt.asUintN(64, this.#state + 0x9e3779b97f4a7c15n);
    let z = this.#state;
    z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    return z ^ (z >> 31n);
  }

  /** A whole number from `low` to `high`, both included. */
  between(low, high) {
    return low + Number(this.next() % BigInt(high - low + 1));
  }

  pick(list) {
    return list[this.between(0, list.length - 1)];
  }
}

// before-prompt

/** A text at a place of the prompt. */
export const note = (text, { position = 'in-chat', depth = 0, role = 'system', priority = 0 } = {}) =>
  ({ tag: 'add-note', val: { position, depth, role, text, priority } });
export const setSampling = (key, value) => ({ tag: 'set-sampling', val: { key, value: String(value) } });
export const abort = (message) => ({ tag: 'abort', val: message });

// before-prompt and after-reply

export const setVariable = (key, value) => ({ tag: 'set-variable', val: { key, value: String(value) } });

/** A variable of the chat, or nothing. */
export const variable = (turn, key) => turn.variables.find((pair) => pair.key === key)?.value;

// world-info

export const activate = (id, score = 1) => ({ id, active: true, score });
export const silence = (id, score = 1) => ({ id, active: false, score });

// prompt-transform

export const insertBefore = (anchor, role, text) => ({ tag: 'insert-before', val: { anchor, role, text } });
export const insertAfter = (anchor, role, text) => ({ tag: 'insert-after', val: { anchor, role, text } });
export const replaceText = (id, text) => ({ tag: 'replace-text', val: { id, text } });
export const remove = (id) => ({ tag: 'remove', val: id });
export const stopSequence = (text) => ({ tag: 'stop-sequence', val: text });

// stream-filter

export const pass = () => ({ tag: 'pass' });
export const replace = (text) => ({ tag: 'replace', val: text });
export const hold = () => ({ tag: 'hold' });
export const drop = () => ({ tag: 'drop' });
export const stop = (text = '') => ({ tag: 'stop', val: text });

// after-reply

export const annotate = (key, value) => ({ tag: 'annotate', val: { key, value: JSON.stringify(value) } });
export const suggestReply = (text) => ({ tag: 'suggest-reply', val: text });
export const emitEvent = (name, payload) => ({ tag: 'emit-event', val: { key: name, value: JSON.stringify(payload) } });
