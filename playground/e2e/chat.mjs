/**
 * What a first-time visitor does, in a real browser against a running server.
 *
 * BASE_URL: where the server is (http://127.0.0.1:4000). CARD: a character card to import (one is
 * made up without it). SCREENSHOTS: a folder for pictures (none without it). CHROMIUM: the browser.
 * Prints one line per check, and exits non-zero when one fails.
 */

import { mkdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'

import { chromium } from 'playwright-core'

const base = process.env.BASE_URL ?? 'http://127.0.0.1:4000'
const shots = process.env.SCREENSHOTS
if (shots) mkdirSync(shots, { recursive: true })

const card = process.env.CARD
  ? { name: basename(process.env.CARD), bytes: readFileSync(process.env.CARD) }
  : {
      name: 'wren.json',
      bytes: Buffer.from(JSON.stringify({
        spec: 'chara_card_v2',
        spec_version: '2.0',
        data: {
          name: 'Wren', description: '{{char}} mends nets and remembers every tide.', personality: 'patient', scenario: 'A quay at dusk.',
          first_mes: '*{{char}} looks up.* "Evening, {{user}}."', mes_example: '', creator_notes: '', system_prompt: '', post_history_instructions: '',
          alternate_greetings: ['"Mind the rope."'], tags: ['harbour'], creator: '', character_version: '1', extensions: {},
        },
      })),
    }

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
})

const complaints = []

async function newPage(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, colorScheme: 'dark', reducedMotion: 'reduce', ...options })
  const page = await context.newPage()
  page.setDefaultTimeout(20_000)
  page.on('pageerror', (error) => complaints.push(`page error: ${error.message}`))
  page.on('console', (message) => { if (['error', 'warning'].includes(message.type())) complaints.push(`console: ${message.text()}`) })
  // Violations of the policy inside shadow roots do not all reach the console.
  await page.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) => console.error(`policy violation: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`))
  })
  return page
}

async function shoot(page, name) {
  if (shots) await page.screenshot({ path: join(shots, `${name}.png`), animations: 'disabled' })
}

async function check(name, work) {
  const begun = Date.now()
  try {
    const detail = await work()
    console.log(`ok   ${name}${detail ? `: ${detail}` : ''} (${Date.now() - begun} ms)`)
  } catch (error) {
    console.log(`FAIL ${name}: ${error instanceof Error ? error.message : error}`)
    await shoot(page, 'failure')
    throw error
  }
}

function expect(condition, message) {
  if (!condition) throw new Error(message)
}

const page = await newPage()
const username = `e2e_${Date.now().toString(36)}`
const password = 'a long enough password'
const articles = page.locator('article.message')
const composer = page.locator('.composer textarea')
const lastProse = () => articles.last().locator('.prose').last()

async function drop(target, { name, bytes }) {
  const transfer = await target.evaluateHandle(({ name, base64, type }) => {
    const data = new DataTransfer()
    data.items.add(new File([Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))], name, { type }))
    return data
  }, { name, base64: bytes.toString('base64'), type: name.endsWith('.png') ? 'image/png' : 'application/json' })
  for (const type of ['dragenter', 'dragover', 'drop']) await target.dispatchEvent('.shell', type, { dataTransfer: transfer })
}

async function send(text) {
  await composer.fill(text)
  await page.getByRole('button', { name: 'Send', exact: true }).click()
}

async function replyEnded() {
  await page.getByRole('button', { name: 'Send', exact: true }).waitFor()
  await page.locator('article.message.live').waitFor({ state: 'detached' })
}

/** Puts `text` into the editor with this label, as a paste would. */
async function write(label, text) {
  const editor = page.getByLabel(label, { exact: true })
  await editor.click()
  await page.keyboard.press('Control+A')
  await page.keyboard.insertText(text)
  await page.keyboard.press('Escape')
}

try {
  await check('a first-time visitor sees characters', async () => {
    await page.goto(`${base}/playground/`)
    await page.locator('.card').first().waitFor()
    await shoot(page, '01-gallery-dark')
    return `${await page.locator('.card').count()} shown`
  })

  await check('a visitor is in a chat within three clicks', async () => {
    const visitor = await newPage()
    await visitor.goto(`${base}/playground/`)
    await visitor.locator('.card').first().getByRole('button', { name: /^Chat with/ }).click()
    await shoot(visitor, '02-entry')
    await visitor.getByRole('button', { name: 'Continue as a guest' }).click()
    await visitor.locator('article.message').first().waitFor()
    await visitor.context().close()
  })

  await check('registering with bad input says what is wrong at each field', async () => {
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('button', { name: 'Create an account' }).click()
    await page.getByLabel('Name', { exact: true }).fill('x')
    await page.getByLabel('E-mail').fill(`${username}@example.com`)
    await page.getByLabel('Password').fill('short')
    await page.getByRole('button', { name: 'Create account' }).click()
    await page.locator('#entry-username-note.problem').waitFor()
    await shoot(page, '03-field-errors')
    return await page.locator('#entry-username-note').innerText()
  })

  await check('registering', async () => {
    await page.getByLabel('Name', { exact: true }).fill(username)
    await page.getByLabel('Password').fill(password)
    await page.getByRole('button', { name: 'Create account' }).click()
    await page.locator('dialog').waitFor({ state: 'detached' })
    await page.locator('summary[aria-label*="Account of"]').waitFor()
  })

  await check('a card that is none is refused with a sentence', async () => {
    await drop(page, { name: 'not-a-card.json', bytes: Buffer.from('{"hello": 1}') })
    await page.locator('.notices li.error').waitFor()
    const text = await page.locator('.notices li.error').innerText()
    await page.locator('.notices li.error button').click()
    return text.trim()
  })

  let characterName
  await check('importing a card by dropping it', async () => {
    await drop(page, card)
    await page.getByRole('button', { name: 'Start chat' }).waitFor()
    characterName = await page.locator('article h1').innerText()
    await shoot(page, '04-character')
    return characterName
  })

  await check('starting a chat shows the greeting, with names filled in', async () => {
    await page.getByRole('button', { name: 'Start chat' }).click()
    await articles.first().waitFor()
    const greeting = await lastProse().innerText()
    expect(greeting.length > 0 && !greeting.includes('{{'), `the greeting is ${JSON.stringify(greeting)}`)
    await page.locator('.connection i.good').waitFor()
    await shoot(page, '05-greeting')
  })

  const next = articles.first().getByRole('button', { name: 'Next alternative' })
  if (await next.count() > 0) {
    await check('swiping to another greeting', async () => {
      const before = await lastProse().innerText()
      await next.click()
      await articles.first().getByText('2/').waitFor()
      expect(await lastProse().innerText() !== before, 'the text did not change')
    })
  }

  await check('a reply grows while it streams', async () => {
    await send('Good evening. What do you know about the old road north?')
    await page.locator('article.message.live .prose').waitFor()
    const first = (await lastProse().innerText()).length
    await page.waitForFunction((length) => (document.querySelector('article.message.live .prose')?.textContent?.length ?? 0) > length + 20, first)
    await shoot(page, '06-streaming')
    await replyEnded()
    const whole = (await lastProse().innerText()).length
    expect(whole > first, `it had ${first} characters while streaming and ${whole} at the end`)
    return `${first} characters, then ${whole}`
  })

  await check('stopping a reply keeps what came', async () => {
    await send('Tell me a LONG story about it, with every detail you remember.')
    await page.waitForFunction(() => (document.querySelector('article.message.live .prose')?.textContent?.length ?? 0) > 20)
    await page.getByRole('button', { name: 'Stop the reply' }).click()
    await replyEnded()
    await articles.last().getByText('stopped').waitFor()
    const text = await lastProse().innerText()
    expect(text.length > 10, 'nothing was kept')
    return `${text.length} characters kept`
  })

  await check('another alternative is written, and the first one is still there', async () => {
    const before = await lastProse().innerText()
    await articles.last().getByRole('button', { name: 'Write another alternative' }).click()
    await page.locator('article.message.live').waitFor()
    await replyEnded()
    await articles.last().getByText('2/2').waitFor()
    expect(await lastProse().innerText() !== before, 'the text did not change')
    await articles.last().getByRole('button', { name: 'Previous alternative' }).click()
    await articles.last().getByText('1/2').waitFor()
    expect(await lastProse().innerText() === before, 'the first alternative changed')
  })

  await check('editing a message', async () => {
    await articles.last().getByRole('button', { name: 'Edit this message' }).click()
    await page.getByLabel('Edit the message').fill('*She only smiles.* "Another time." <b onclick="alert(1)">bold?</b>')
    await page.getByRole('button', { name: 'Save' }).click()
    await articles.last().getByText('edited').waitFor()
    expect(await lastProse().locator('em').innerText() === 'She only smiles.', 'the narration is not set apart')
    expect(await lastProse().locator('b').count() === 0, 'markup of a message became an element')
  })

  await check('a second tab stays in step', async () => {
    const other = await page.context().newPage()
    await other.goto(page.url())
    await other.locator('article.message').last().getByText('Another time.').waitFor()
    await other.locator('.connection i.good').waitFor()
    await articles.last().getByRole('button', { name: 'Hide this message from the model' }).click()
    await other.locator('article.message').last().getByText('hidden from the model').waitFor()
    await articles.last().getByRole('button', { name: 'Show this message to the model' }).click()
    await other.close()
  })

  await check('a reply that loses its connection goes on where it was', async () => {
    const shaky = await page.context().newPage()
    const sockets = []
    await shaky.routeWebSocket(/\/graphql$/, (socket) => {
      socket.connectToServer()
      sockets.push(socket)
    })
    await shaky.goto(page.url())
    await shaky.locator('.composer textarea').fill('And what became of the bridge?')
    await shaky.getByRole('button', { name: 'Send', exact: true }).click()
    await shaky.waitForFunction(() => (document.querySelector('article.message.live .prose')?.textContent?.length ?? 0) > 20)
    await sockets.at(-1).close({ code: 1012, reason: 'service restart' })
    await shaky.locator('article.message.live').waitFor({ state: 'detached' })
    expect(sockets.length > 1, 'the socket was not opened again')
    const text = await shaky.locator('article.message').last().locator('.prose').innerText()
    await shaky.reload()
    await shaky.locator('article.message').last().waitFor()
    expect(await shaky.locator('article.message').last().locator('.prose').innerText() === text, 'the text differs from the one that is kept')
    await shaky.close()
    return `${text.length} characters`
  })

  await check('continuing a reply adds to it', async () => {
    const before = await lastProse().innerText()
    await articles.last().getByRole('button', { name: 'Continue this reply' }).click()
    await page.locator('article.message.live').waitFor()
    expect((await lastProse().innerText()).startsWith(before.slice(0, -2)), 'what stood there is not shown while it is continued')
    await replyEnded()
    const after = await lastProse().innerText()
    expect(after.startsWith(before.slice(0, -2)) && after.length > before.length, 'the reply did not grow')
  })

  await check('deleting a message', async () => {
    const count = await articles.count()
    await articles.last().getByRole('button', { name: 'Delete this message' }).click()
    await page.locator('dialog').getByRole('button', { name: 'Delete' }).click()
    await page.waitForFunction((before) => document.querySelectorAll('article.message').length === before - 1, count)
  })

  await check('a reload shows the same chat to the same person', async () => {
    const before = await articles.count()
    await page.reload()
    await articles.first().waitFor()
    expect(await articles.count() === before, `${before} messages before, ${await articles.count()} after`)
    await page.locator('aside li').first().waitFor()
  })

  const chatUrl = page.url()

  await check('the explorer runs a query', async () => {
    await page.getByRole('link', { name: 'Explorer' }).click()
    await page.getByLabel('GraphQL document', { exact: true }).waitFor()
    await write('GraphQL document', 'query Names { characters(first: 2) { nodes { name } } }')
    await page.getByRole('button', { name: 'Run' }).click()
    await page.getByText(/Status 200/).waitFor()
    expect((await page.getByLabel('Response', { exact: true }).innerText()).includes('"nodes"'), 'the response is not shown')
    await page.getByRole('button', { name: 'Prettify' }).click()
    await page.waitForFunction(() => document.querySelector('.query')?.shadowRoot?.querySelectorAll('.cm-line').length > 4)
    await shoot(page, '07-explorer')
  })

  await check('the explorer marks a field that does not exist', async () => {
    await write('GraphQL document', '{ noSuchField }')
    await page.locator('.query .cm-lintRange-error').first().waitFor()
  })

  await check('the explorer completes from the schema', async () => {
    await page.getByLabel('GraphQL document', { exact: true }).click()
    await page.keyboard.press('Control+A')
    await page.keyboard.insertText('{ ')
    await page.keyboard.type('charac')
    await page.locator('.cm-tooltip-autocomplete li', { hasText: 'characters' }).first().waitFor()
    await shoot(page, '08-completion')
    await page.keyboard.press('Escape')
  })

  await check('the explorer shows a subscription as it happens, and stops it', async () => {
    const sessionId = chatUrl.split('/').at(-1)
    await write('GraphQL document', `subscription { sessionEvents(sessionId: "${sessionId}") { __typename cursor } }`)
    await page.getByRole('button', { name: 'Run' }).click()
    await page.getByText('Listening…').waitFor()
    const other = await page.context().newPage()
    await other.goto(chatUrl)
    await other.locator('.composer textarea').fill('One more thing.')
    await other.getByRole('button', { name: 'Send', exact: true }).click()
    await page.locator('.events li').nth(1).waitFor()
    await shoot(page, '09-subscription')
    await page.getByRole('button', { name: 'Stop' }).click()
    await page.getByText(/^Stopped/).waitFor()
    await other.locator('article.message.live').waitFor({ state: 'detached' })
    await other.close()
  })

  await check('the documentation is browsed by type', async () => {
    await page.getByRole('button', { name: 'Docs' }).click()
    await page.locator('.docs').getByRole('button', { name: 'Query', exact: true }).click()
    await page.locator('.docs').getByRole('button', { name: 'characters', exact: true }).click()
    await page.locator('.docs').getByText('Arguments').waitFor()
    await shoot(page, '10-docs')
    await page.getByRole('button', { name: 'Docs' }).click()
  })

  for (const [name, options] of [['light', { colorScheme: 'light' }], ['narrow', { viewport: { width: 360, height: 740 }, hasTouch: true }]]) {
    await check(`the views fit: ${name}`, async () => {
      const look = await newPage({ ...options, storageState: await page.context().storageState() })
      for (const [view, url, ready] of [['gallery', `${base}/playground/`, '.card'], ['chat', chatUrl, 'article.message'], ['explorer', `${base}/playground/#/explorer`, '.editor']]) {
        await look.goto('about:blank')
        await look.goto(url)
        await look.locator(ready).first().waitFor()
        const overflow = await look.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
        expect(overflow <= 0, `${view} is ${overflow} px too wide`)
        await shoot(look, `11-${name}-${view}`)
      }
      if (name === 'narrow') {
        await look.goto(chatUrl)
        await look.getByRole('button', { name: 'Your chats' }).click()
        await look.locator('aside.open').waitFor()
        await shoot(look, '11-narrow-drawer')
      }
      await look.context().close()
    })
  }

  await check('signing out and in again', async () => {
    await page.locator('summary[aria-label*="Account of"]').click()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByLabel('Name or e-mail').fill(username)
    await page.getByLabel('Password').fill(password)
    await page.locator('dialog button[type=submit]').click()
    await page.locator('summary[aria-label*="Account of"]').waitFor()
  })

  await check('the console is free of errors and policy violations', () => {
    expect(complaints.length === 0, complaints.join('\n     '))
  })
  console.log('all checks passed')
} catch {
  if (complaints.length > 0) console.log(`     the console said: ${complaints.join('\n     ')}`)
  process.exitCode = 1
} finally {
  await browser.close()
}
