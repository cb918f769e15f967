import { beforeEach, describe, expect, it, vi } from 'vitest'

const STALE = { accessToken: 'a1', refreshToken: 'r1', expiresAt: new Date(0).toISOString() }
const RENEWED = { accessToken: 'a2', refreshToken: 'r2', expiresAt: new Date(Date.now() + 900_000).toISOString() }

const store = new Map<string, string>()
const fetched = vi.fn<typeof fetch>()
const keep = (pair: object) => store.set('tavern.tokens', JSON.stringify(pair))
const answer = (data: object) => new Response(JSON.stringify({ data }))

vi.stubGlobal('localStorage', {
  getItem: (key: string) => store.get(key) ?? null,
  setItem: (key: string, value: string) => store.set(key, value),
  removeItem: (key: string) => store.delete(key),
})
vi.stubGlobal('navigator', {})
vi.stubGlobal('fetch', fetched)

/** The module as a tab that has just been opened sees it. */
async function openTab() {
  vi.resetModules()
  return await import('../src/api/account')
}

describe('an access token', () => {
  beforeEach(() => {
    fetched.mockReset()
    store.clear()
    keep(STALE)
  })

  it('that has run out is renewed once, however many ask for it', async () => {
    fetched.mockImplementation(async () => answer({ refreshTokens: { tokens: RENEWED, userErrors: [] } }))
    const { accessToken } = await openTab()
    expect(await Promise.all([accessToken(), accessToken(), accessToken()])).toEqual(['a2', 'a2', 'a2'])
    expect(fetched).toHaveBeenCalledTimes(1)
    expect(JSON.parse(store.get('tavern.tokens') ?? '')).toEqual(RENEWED)
  })

  it('that another tab has renewed is taken from there', async () => {
    const { accessToken } = await openTab()
    keep(RENEWED)
    expect(await accessToken()).toBe('a2')
    expect(fetched).not.toHaveBeenCalled()
  })

  it('that holds is used as it is', async () => {
    keep(RENEWED)
    const { accessToken } = await openTab()
    expect(await accessToken()).toBe('a2')
    expect(fetched).not.toHaveBeenCalled()
  })

  it('that the server refused early is renewed once', async () => {
    keep({ ...RENEWED, accessToken: 'a1', refreshToken: 'r1' })
    fetched.mockImplementation(async () => answer({ refreshTokens: { tokens: RENEWED, userErrors: [] } }))
    const { renewedToken } = await openTab()
    expect(await renewedToken('a1')).toBe('a2')
    expect(await renewedToken('a1')).toBe('a2')
    expect(fetched).toHaveBeenCalledTimes(1)
  })

  it('whose renewal is refused ends the sign-in', async () => {
    fetched.mockImplementation(async () => answer({ refreshTokens: { tokens: null, userErrors: [{ message: 'Used before.', field: ['refreshToken'], code: 'UNAUTHENTICATED' }] } }))
    const { accessToken, isSignedIn } = await openTab()
    expect(await accessToken()).toBeUndefined()
    expect(isSignedIn.value).toBe(false)
    expect(store.size).toBe(0)
  })

  it('that cannot be renewed for want of a connection keeps the sign-in', async () => {
    fetched.mockRejectedValue(new TypeError('no network'))
    const { accessToken, isSignedIn } = await openTab()
    await expect(accessToken()).rejects.toMatchObject({ code: 'UNREACHABLE' })
    expect(isSignedIn.value).toBe(true)
    expect(JSON.parse(store.get('tavern.tokens') ?? '')).toEqual(STALE)
  })
})
