/** The two names every card leaves open, filled in where a card is shown outside a chat; in chats the server does it. */
export function withNames(text: string, character: string, user: string): string {
  return text.replace(/\{\{char\}\}|<bot>/gi, () => character).replace(/\{\{user\}\}|<user>/gi, () => user)
}
