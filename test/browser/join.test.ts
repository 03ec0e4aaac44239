/**
 * Official clients join by their link, with a real browser: through a provider and back, by a passkey, refused, twice,
 * and again when they are told to log in anew. Server, provider and browser live in one namespace, each client in its
 * own; nothing has a way out.
 */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Official } from '../interop/driver/official.ts'
import { until } from '../interop/driver/tsclient.ts'
import { interopMissing, SERVER_HOST, World } from '../interop/driver/world.ts'
import type { LabProcess } from '../lab/process.ts'
import { tunMissing } from '../lab/available.ts'
import { browserMissing, Chromium } from './chromium.ts'
import type { Person } from './chromium.ts'

const skip = interopMissing() || tunMissing() || browserMissing()

/** What browsers call the server: for them, only this machine itself is secure without TLS. */
const URL_OF_OURS = 'http://localhost:8080'
/** What clients call it. */
const CONTROL = `http://${SERVER_HOST}:8080`
const PROVIDER_PORT = 9090

let world: World
let chromium: Chromium
let laptop: Official
let person: Person

before(async () => {
  if (skip !== false) return
  world = await World.open({ url: URL_OF_OURS, plainServer: true })
  const provider = world.serverNamespace.spawn(
    process.execPath,
    [fileURLToPath(new URL('providers.ts', import.meta.url)), String(PROVIDER_PORT), `${URL_OF_OURS}/auth/callback`],
    { name: 'provider' },
  )
  const [, ready = ''] = await provider.waitFor(/ready (\{.*\})/)
  await world.server.api('PUT', '/api/v2/sett/tailnet/-/identity-providers/work', {
    title: 'Work',
    settings: { kind: 'oidc', ...(JSON.parse(ready) as object) },
    admits: { domains: ['example.com'] },
  })
  chromium = await Chromium.open(world.serverNamespace)
  person = await chromium.person()
  laptop = new Official(await world.machine('laptop'), world)
  await laptop.start()
})
after(async () => {
  if (skip !== false) return
  await chromium?.close()
  await world?.close()
})

/** `tailscale up` until it shows a link. */
async function up(...more: string[]): Promise<{ readonly command: LabProcess; readonly link: string }> {
  const flags = [`--login-server=${CONTROL}`, '--hostname=laptop', '--timeout=60s', ...more]
  const command = laptop.where.spawn(world.built.tailscale, [`--socket=${laptop.socket}`, 'up', ...flags], {
    name: 'tailscale-up',
  })
  const [, link = ''] = await command.waitFor(/To authenticate, visit:\s+(\S+)/)
  assert.match(link, /^http:\/\/localhost:8080\/login\/\w+$/)
  return { command, link }
}
const owner = async (): Promise<string | undefined> => {
  const found = (await world.server.devices()).filter(({ hostname }) => hostname === 'laptop')
  return found.at(-1)?.user
}

test('a client joins by its link, through the provider and back', { skip }, async (t) => {
  const { command, link } = await up()
  await person.open(link)
  await person.sees('A device asks to join')
  assert.match(await person.text(), /laptop[\s\S]*linux[\s\S]*192\.168\.77\.11/)
  await person.press('Log in with Work')
  await person.signInAs('anna')
  await person.sees('Connect this device?')
  const pressed = performance.now()
  await person.press('Connect')
  await person.sees('The device is connected')
  assert.equal((await command.ended).code, 0, command.output)
  t.diagnostic(`connected to running: ${Math.round(performance.now() - pressed)} ms`)
  const { BackendState, Self, User } = await laptop.status()
  assert.equal(BackendState, 'Running')
  assert.equal(User?.[String(Self.UserID)]?.LoginName, 'anna@example.com')
  assert.equal(await owner(), 'anna@example.com')
})

test('its link is good once', { skip }, async () => {
  await laptop.cli('logout')
  const { command, link } = await up()
  const other = await chromium.person()
  await person.open(link)
  await person.press('Connect')
  await person.sees('The device is connected')
  assert.equal((await command.ended).code, 0, command.output)
  await other.open(link)
  await other.sees('The device is connected')
  assert.equal(await other.page.getByRole('button').count(), 0)
  await other[Symbol.asyncDispose]()
})

test('a client whose login is refused is told so', { skip }, async () => {
  await laptop.cli('logout')
  const { command, link } = await up()
  await person.open(link)
  await person.press('This is not my device')
  await person.sees('This device has been refused')
  await until('the client knows', async () => {
    const { BackendState } = await laptop.status()
    return BackendState === 'NeedsLogin' && /refused/.test(command.output + JSON.stringify(await laptop.status()))
  })
  await command.stop('SIGINT')
})

test('somebody else connects it as theirs, by a passkey', { skip }, async () => {
  const users = await world.server.api<{ users: { id: string; role: string }[] }>('GET', '/api/v2/tailnet/-/users')
  const first = users.users.find(({ role }) => role === 'owner')
  const { url } = await world.server.api<{ url: string }>('POST', `/api/v2/sett/users/${first?.id}/login-link`)
  const boss = await chromium.person()
  await boss.getAuthenticator()
  await boss.open(url)
  await boss.press('Make a passkey')
  await boss.press('Make a passkey')
  await boss.page.waitForURL(`${URL_OF_OURS}/auth`)
  await boss.press('Log out')
  await boss.sees(/^Log in to/)
  const { command, link } = await up()
  await boss.open(link)
  await boss.press('Log in with a passkey')
  await boss.press('Use a passkey')
  await boss.sees('Connect this device?')
  await boss.press('Connect')
  await boss.sees('The device is connected')
  assert.equal((await command.ended).code, 0, command.output)
  assert.match((await owner()) ?? '', /^admin@/)
  assert.deepEqual(boss.complaints, [])
})

test('a client that is to log in anew does, as the same machine', { skip }, async () => {
  const before = (await laptop.addresses()).four
  const { command, link } = await up('--force-reauth')
  await person.open(link)
  await person.press('Connect')
  await person.sees('The device is connected')
  assert.equal((await command.ended).code, 0, command.output)
  assert.equal((await laptop.status()).BackendState, 'Running')
  assert.notEqual(before, '')
  assert.deepEqual(person.complaints, [])
})
