/** Short messages at the edge of the screen, and questions that want a yes or a no. */

import { reactive, shallowRef } from 'vue'

import { explain } from '../api/errors'

export interface Notice { id: number; text: string; tone: 'plain' | 'error' }

const PLAIN_MS = 6_000
const ERROR_MS = 12_000
const MOST = 4

let lastId = 0
export const notices = reactive<Notice[]>([])

export function notify(text: string, tone: Notice['tone'] = 'plain'): void {
  const id = ++lastId
  notices.push({ id, text, tone })
  if (notices.length > MOST) notices.shift()
  setTimeout(() => { dismiss(id) }, tone === 'error' ? ERROR_MS : PLAIN_MS)
}

export function dismiss(id: number): void {
  const index = notices.findIndex((notice) => notice.id === id)
  if (index >= 0) notices.splice(index, 1)
}

/** Does `work`, and shows why if it fails. */
export async function attempt(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work()
    return true
  } catch (error) {
    notify(explain(error), 'error')
    return false
  }
}

export interface Question { title: string; detail: string; action: string; answer: (isYes: boolean) => void }

export const question = shallowRef<Question>()

export function confirmed(title: string, detail: string, action: string): Promise<boolean> {
  question.value?.answer(false)
  return new Promise((resolve) => {
    question.value = {
      title, detail, action,
      answer: (isYes) => {
        question.value = undefined
        resolve(isYes)
      },
    }
  })
}
