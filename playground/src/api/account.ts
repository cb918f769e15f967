/**
 * Who is signed in, in all tabs at once.
 *
 * The token pair lies in localStorage: every tab shares one login, and a rotated refresh token is
 * never used twice. A script injected into the page could read it there, as it could act through
 * any other store; what keeps such scripts out is the content security policy, which lets only
 * the server's own files run, and that text of others is never rendered as HTML.
 */

import { computed, readonly, shallowRef } from 'vue'

import { ApiError, InputError, UNREACHABLE, accepted } from './errors'
import { post } from './http'
import { Login, Logout, RefreshTokens, Register, UpdateProfile, Who } from './operations'
import type { TokenPair, Viewer } from './operations'

const STORAGE_KEY = 'tavern.tokens'
const REFRESH_LOCK = 'tavern.refresh'
/** A token is renewed this long before it expires, so that no request arrives with a stale one. */
const REFRESH_AHEAD_MS = 30_000

const tokens = shallowRef(stored())
const currentViewer = shallowRef<Viewer>()
let refreshing: Promise<TokenPair | undefined> | undefined

export const viewer = readonly(currentViewer)
export const isSignedIn = computed(() => tokens.value !== undefined)

function stored(): TokenPair | undefined {
  try {
    const pair = JSON.parse(localStorage.getItem(STORAGE_KEY) ?? 'null') as TokenPair | null
    return pair?.refreshToken ? pair : undefined
  } catch {
    return undefined
  }
}

function keep(pair: TokenPair | undefined): void {
  if (pair) localStorage.setItem(STORAGE_KEY, JSON.stringify(pair))
  else localStorage.removeItem(STORAGE_KEY)
  tokens.value = pair
  if (!pair) currentViewer.value = undefined
}

/** Keeps this tab in step with sign-ins, sign-outs and refreshes of the others. */
export function followOtherTabs(): void {
  addEventListener('storage', (event) => {
    if (event.key !== STORAGE_KEY && event.key !== null) return
    const before = tokens.value
    tokens.value = stored()
    if (!tokens.value) currentViewer.value = undefined
    else if (!before) void loadViewer()
  })
}

/** Reads who the kept tokens belong to; a person without any stays anonymous. */
export async function loadViewer(): Promise<void> {
  const token = await accessToken()
  if (token !== undefined) currentViewer.value = (await post(Who, {}, { token })).viewer ?? undefined
}

export async function signIn(login: string, password: string): Promise<void> {
  const payload = accepted((await post(Login, { input: { login, password } })).login)
  welcome(payload.tokens, payload.viewer)
}

export async function register(username: string, email: string, password: string): Promise<void> {
  const payload = accepted((await post(Register, { input: { username, email, password } })).register)
  welcome(payload.tokens, payload.viewer)
}

/** An account under a random name, for a person who wants to look around first: its password is thrown away, so it ends with the sign-out. */
export async function enterAsGuest(): Promise<void> {
  const random = (bytes: number) => Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, '0')).join('')
  const username = `guest_${random(6)}`
  // RFC 2606 keeps `.invalid` free of mailboxes.
  await register(username, `${username}@guest.invalid`, random(24))
  // What characters call a guest. Going without is no reason to keep anybody out.
  await changeDisplayName('Traveller').catch(() => undefined)
}

export async function changeDisplayName(displayName: string): Promise<void> {
  const { viewer: changed } = accepted((await post(UpdateProfile, { input: { displayName } }, { token: await accessToken() })).updateProfile)
  if (changed) currentViewer.value = changed
}

function welcome(pair: TokenPair | null, who: Viewer | null): void {
  if (!pair || !who) throw new ApiError('The server accepted the sign-in but sent no tokens.', 'INTERNAL_SERVER_ERROR')
  keep(pair)
  currentViewer.value = who
}

/** Forgets the tokens at once; telling the server is best effort. */
export async function signOut(): Promise<void> {
  const pair = tokens.value
  keep(undefined)
  if (pair) await post(Logout, { input: { refreshToken: pair.refreshToken } }, { token: pair.accessToken }).catch(() => undefined)
}

/** A token that still holds, or `undefined` for an anonymous person. Throws `ApiError` if the server cannot be reached to renew it. */
export async function accessToken(): Promise<string | undefined> {
  const pair = tokens.value
  if (!pair) return undefined
  return (isFresh(pair) ? pair : await refresh(pair))?.accessToken
}

/** A token in place of one that the server refused. */
export async function renewedToken(refused: string): Promise<string | undefined> {
  const pair = tokens.value
  if (!pair || pair.accessToken !== refused) return pair?.accessToken
  return (await refresh(pair))?.accessToken
}

function isFresh(pair: TokenPair): boolean {
  return Date.parse(pair.expiresAt) - Date.now() > REFRESH_AHEAD_MS
}

function refresh(stale: TokenPair): Promise<TokenPair | undefined> {
  refreshing ??= exclusively(() => renew(stale)).finally(() => { refreshing = undefined })
  return refreshing
}

/** One tab at a time, where the browser has locks (it hides them from pages that came over plain HTTP). */
async function exclusively<T>(work: () => Promise<T>): Promise<T> {
  const locks = navigator.locks as LockManager | undefined
  return locks ? await locks.request(REFRESH_LOCK, work) : await work()
}

async function renew(stale: TokenPair): Promise<TokenPair | undefined> {
  const latest = stored()
  if (latest?.refreshToken !== stale.refreshToken) {
    // Another tab renewed the pair, or signed out, while this one waited for the lock.
    tokens.value = latest
    return latest
  }
  try {
    const payload = accepted((await post(RefreshTokens, { input: { refreshToken: stale.refreshToken } })).refreshTokens)
    keep(payload.tokens ?? undefined)
  } catch (error) {
    const isRefused = error instanceof InputError || (error instanceof ApiError && ['UNAUTHENTICATED', 'BAD_USER_INPUT', 'FORBIDDEN'].includes(error.code))
    if (!isRefused) throw error instanceof ApiError ? error : new ApiError('Signing in again failed.', UNREACHABLE)
    keep(undefined)
  }
  return tokens.value
}
