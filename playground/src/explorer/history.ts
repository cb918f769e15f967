/** What was run before, in this browser. Headers are left out, since they may hold secrets. */

import { shallowRef } from 'vue'

export interface HistoryEntry { query: string; variables: string; at: number }

const KEY = 'tavern.explorer.history'
const MOST = 40
const MOST_CHARACTERS = 20_000

export const history = shallowRef<readonly HistoryEntry[]>(stored())

function stored(): HistoryEntry[] {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(KEY) ?? '[]')
    return Array.isArray(value) ? value.filter(isEntry).slice(0, MOST) : []
  } catch {
    return []
  }
}

function isEntry(value: unknown): value is HistoryEntry {
  const { query, variables, at } = (value ?? {}) as Partial<HistoryEntry>
  return typeof query === 'string' && typeof variables === 'string' && typeof at === 'number'
}

function keep(entries: readonly HistoryEntry[]): void {
  history.value = entries
  try {
    localStorage.setItem(KEY, JSON.stringify(entries))
  } catch {
    // The browser's store is full or closed: the history lives as long as the page.
  }
}

export function remember(query: string, variables: string): void {
  if (query.length + variables.length > MOST_CHARACTERS) return
  const others = history.value.filter((entry) => entry.query !== query || entry.variables !== variables)
  keep([{ query, variables, at: Date.now() }, ...others].slice(0, MOST))
}

export function forgetHistory(): void {
  keep([])
}

/** A line that tells an entry from the others: its operation's name, or how it begins. */
export function titleOf({ query }: HistoryEntry): string {
  return /^\s*(?:query|mutation|subscription)\s+\w+/m.exec(query)?.[0].trim() ?? query.replaceAll(/\s+/g, ' ').trim().slice(0, 60)
}
