/** The sign-in dialog, and what a person wanted to do when it came in between. */

import { shallowRef } from 'vue'

import { isSignedIn } from '../api/account'

export const entry = shallowRef<{ mode: 'register' | 'signIn'; reason: string; proceed: () => void }>()

/** Does `work` at once for a person who is signed in, after the sign-in for anybody else. */
export function whenSignedIn(reason: string, work: () => void): void {
  if (isSignedIn.value) work()
  else entry.value = { mode: 'register', reason, proceed: work }
}
