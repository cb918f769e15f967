/** Moments in the reader's own language and zone. */

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })
const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' })
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'short' })

/** The time of day for today, the date for other days. */
export function shortTime(iso: string): string {
  const moment = new Date(iso)
  return moment.toDateString() === new Date().toDateString() ? clock.format(moment) : day.format(moment)
}

export function fullTime(iso: string): string {
  return full.format(new Date(iso))
}
