/** The signed-in person's chats, newest activity first, as the side bar shows them. */

import { reactive } from 'vue'

import { execute } from '../api/client'
import { Sessions } from '../api/operations'
import type { SessionSummary } from '../api/operations'

const PAGE = 30

export const chats = reactive({
  items: [] as SessionSummary[],
  isArchive: false,
  isLoaded: false,
  next: undefined as string | undefined,
})

let latest = 0

async function page(after?: string): Promise<void> {
  const turn = ++latest
  const { viewer } = await execute(Sessions, { first: PAGE, after, archived: chats.isArchive })
  // A later question overtook this one: its answer is about another list.
  if (turn !== latest) return
  const nodes = viewer?.chatSessions.nodes ?? []
  chats.items = after === undefined ? nodes : [...chats.items, ...nodes]
  chats.next = viewer?.chatSessions.pageInfo.hasNextPage ? (viewer.chatSessions.pageInfo.endCursor ?? undefined) : undefined
  chats.isLoaded = true
}

export const refreshChats = () => page()
export const moreChats = () => page(chats.next)

export async function showArchive(isArchive: boolean): Promise<void> {
  chats.isArchive = isArchive
  chats.isLoaded = false
  await page()
}

export function forgetChats(): void {
  latest++
  Object.assign(chats, { items: [], isArchive: false, isLoaded: false, next: undefined })
}
