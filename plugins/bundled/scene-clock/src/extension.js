// The time of day in the story. It is a variable of the chat, kept with each reply: a swipe begins where the
// reply before it ended.

import { config, invalidConfig, note, setVariable, variable } from '../sdk/tavern.js';
import { Clock } from './clock.js';

const VARIABLE = 'scene-clock';

function settings() {
  const { start = '08:00', minutes_per_turn: pace = 5, text = 'It is {part} in the story: {time} on day {day}.' } = config();
  return { start, pace, text };
}

/** What the clock says before this turn; nothing if the chat has just begun. */
const last = (turn) => Clock.parse(variable(turn, VARIABLE));

const first = () => new Clock(Clock.minuteOf(settings().start));

export const lifecycle = {
  /** What the schema cannot say. */
  validateConfig({ text = '' }) {
    const [unknown] = text.match(/\{(?!(?:time|day|part)\})[^{}]*\}/) ?? [];
    if (unknown !== undefined) throw invalidConfig(`text: ${unknown} is none of {time}, {day} and {part}`);
  },
};

export function beforePrompt(turn, history) {
  const { pace, text } = settings();
  const before = last(turn);
  const said = history.at(-1)?.role === 'user' ? history.at(-1).text : '';
  const now = (before ?? first()).told(said) ?? before?.after(pace) ?? first();
  const filled = text.replace(/\{(time|day|part)\}/g, (_, name) => now[name]);
  return [note(filled, { position: 'in-chat', depth: 1 }), setVariable(VARIABLE, now)];
}

export function macroProvider(turn, name, [what = 'time']) {
  const now = last(turn) ?? first();
  return ['time', 'day', 'part'].includes(what) ? String(now[what]) : undefined;
}
