/** What can be begun from several places: a chat with a character, the import of a card. */

import { ref } from 'vue'

import { execute } from '../api/client'
import { accepted } from '../api/errors'
import { CreateChatSession, ImportCharacter } from '../api/operations'
import { go } from '../route'
import { whenSignedIn } from '../ui/entry'
import { attempt, notify } from '../ui/notices'
import { refreshChats } from './sessions'

export const isStarting = ref(false)
export const isImporting = ref(false)

export function startChat(character: { id: string; name: string }, greeting = 0): void {
  whenSignedIn(`To talk with ${character.name}, the tavern has to know whose chat it is.`, () => void attempt(async () => {
    if (isStarting.value) return
    isStarting.value = true
    try {
      const { chatSession } = accepted((await execute(CreateChatSession, { input: { characterIds: [character.id], greeting } })).createChatSession)
      if (chatSession) go({ view: 'chat', id: chatSession.id })
      await refreshChats()
    } finally {
      isStarting.value = false
    }
  }))
}

export function importCards(files: readonly File[]): void {
  if (files.length === 0) return
  whenSignedIn('Imported characters belong to an account.', () => void attempt(async () => {
    isImporting.value = true
    try {
      for (const file of files) await importCard(file, files.length === 1)
      if (files.length > 1) go({ view: 'gallery' })
    } finally {
      isImporting.value = false
    }
  }))
}

async function importCard(file: File, isOnly: boolean): Promise<void> {
  await attempt(async () => {
    const { character, warnings } = accepted((await execute(ImportCharacter, { file })).importCharacter)
    if (!character) return
    notify([`${character.name} has arrived.`, ...warnings].join(' '))
    if (isOnly) go({ view: 'character', id: character.id })
  })
}
