// A time in a story: a day, from 1, and a minute of it.

const DAY = 24 * 60;

/** Parts of a day, each with the hour it ends at. */
const PARTS = [
  [5, 'night'],
  [8, 'early morning'],
  [11, 'morning'],
  [14, 'midday'],
  [18, 'afternoon'],
  [22, 'evening'],
  [24, 'late evening'],
];

export class Clock {
  constructor(minutes) {
    this.minutes = Math.max(0, minutes);
  }

  /** `8:05` is 485 minutes; nothing if it is no time of day. */
  static minuteOf(text) {
    const [, hour, minute] = /^(\d{1,2}):(\d{2})$/.exec(text) ?? [];
    return hour < 24 && minute < 60 ? Number(hour) * 60 + Number(minute) : undefined;
  }

  /** As {@link toString} writes it. */
  static parse(text = '') {
    const [, day, time] = /^(\d{1,6}) (\S+)$/.exec(text) ?? [];
    const minute = time && Clock.minuteOf(time);
    return minute === undefined ? undefined : new Clock((Math.max(1, Number(day)) - 1) * DAY + minute);
  }

  toString() {
    return `${this.day} ${this.time}`;
  }

  get day() {
    return Math.floor(this.minutes / DAY) + 1;
  }

  get time() {
    const two = (number) => String(number).padStart(2, '0');
    const minute = this.minutes % DAY;
    return `${two(Math.floor(minute / 60))}:${two(minute % 60)}`;
  }

  get part() {
    const hour = (this.minutes % DAY) / 60;
    return PARTS.find(([end]) => hour < end)[1];
  }

  after(minutes) {
    return new Clock(this.minutes + minutes);
  }

  /** The next time it is that late: today, or tomorrow. */
  next(minute) {
    const ahead = (minute - (this.minutes % DAY) + DAY) % DAY;
    return this.after(ahead);
  }

  /** What `[clock …]` in a message makes of it; nothing if there is none that can be read. */
  told(text) {
    const [, order] = [...text.matchAll(/\[clock\s+([^\]]+)\]/gi)].pop() ?? [];
    if (order === undefined) return undefined;
    const minute = Clock.minuteOf(order.trim());
    if (minute !== undefined) return this.next(minute);
    const [, amount, unit] = /^\+\s*(\d{1,4})\s*([dhm])/i.exec(order.trim()) ?? [];
    return amount && this.after(Number(amount) * { d: DAY, h: 60, m: 1 }[unit.toLowerCase()]);
  }
}
