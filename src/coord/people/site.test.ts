/** The pages as browsers meet them: whose wish a request is, where it leads, and what it may not do. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DAY_MS, MINUTE_MS } from '../../base/clock.ts'
import { MeshError } from '../../base/errors.ts'
import { Secret } from '../../base/secret.ts'
import { machineKeyOf, nodeKeyOf } from '../../base/keys.ts'
import { PeopleWorld } from '../../../test/support/people-world.ts'
import { SERVER } from '../model/records.ts'
import type { PendingLogin } from '../model/records.ts'
import type { Claims } from './claims.ts'
import { BROWSER_COOKIE, SESSION_COOKIE } from './door.ts'
import type { Authenticators, IdentityProviders, Journey, Proved } from './identity-providers.ts'
import { document } from './pages/html.ts'
import { Site } from './site.ts'
import { csrfToken } from '../model/tokens.ts'
import type { Reply, Visit } from './visit.ts'

const URL_OF_OURS = 'https://sett.example'
const ada: Claims = { issuer: 'https://id.example.com', subject: 'ada', email: 'ada@example.com', groups: [] }
const CODE = 'K7WQ2MZX9RTB'

class SiteWorld {
  readonly people: PeopleWorld
  readonly site: Site
  readonly faults: string[] = []
  /** What the provider makes of the next answer. */
  proved: Proved = { kind: 'proved', claims: ada }
  away = false
  journeys: Journey[] = []
  /** Cookies of one browser. */
  readonly cookies = new Map<string, string>()

  private constructor(people: PeopleWorld) {
    this.people = people
    const providers: IdentityProviders = {
      begin: async (_, journey) => {
        if (this.away) throw new MeshError('api/unreachable', 'Cannot reach it')
        this.journeys.push(journey)
        return await Promise.resolve('https://id.example.com/authorize')
      },
      finish: async () => await Promise.resolve(this.proved),
    }
    const authenticators: Authenticators = {
      registrationOptions: async (ask) => await Promise.resolve(ask),
      authenticationOptions: async (challenge) => await Promise.resolve({ challenge }),
      credentialIdOf: (answer) => (answer as { id: string }).id,
      verifyRegistration: async (answer, challenge) =>
        await Promise.resolve(
          (answer as { challenge: string }).challenge === challenge
            ? { credentialId: (answer as { id: string }).id, publicKey: 'AA', counter: 0, transports: [] }
            : undefined,
        ),
      verifyAuthentication: async (answer, challenge) =>
        await Promise.resolve((answer as { challenge: string }).challenge === challenge ? 0 : undefined),
    }
    this.site = new Site({
      ...people.deps,
      providers,
      authenticators,
      url: URL_OF_OURS,
      onFault: (what, fault) => this.faults.push(`${what}: ${fault}`),
    })
  }

  static async make(): Promise<SiteWorld> {
    const people = await PeopleWorld.make()
    await people.provider({})
    return new SiteWorld(people)
  }

  async ask(
    method: string,
    path: string,
    more: Partial<Visit> & { readonly form?: Record<string, unknown> } = {},
  ): Promise<Reply> {
    const { form = {}, ...rest } = more
    const reply = await this.site.visit({
      method,
      url: new URL(path, URL_OF_OURS),
      cookies: this.cookies,
      origin: method === 'POST' ? URL_OF_OURS : undefined,
      agent: 'Browser',
      from: '192.0.2.7',
      secure: true,
      body: async () => await Promise.resolve(new Map(Object.entries(form))),
      ...rest,
    })
    for (const { name, value } of reply.cookies ?? [])
      if (value === undefined) this.cookies.delete(name)
      else this.cookies.set(name, value.reveal())
    return reply
  }

  /** To the provider and back. */
  async logIn(query = ''): Promise<Reply> {
    const gone = await this.ask('GET', `/auth/start/work${query}`)
    assert.equal(gone.kind, 'go', seen(gone))
    return await this.ask('GET', `/auth/callback?state=${this.journeys.at(-1)?.state}&code=x`)
  }

  get csrf(): string {
    return csrfToken(this.people.deps.sha256, new Secret(this.cookies.get(SESSION_COOKIE) ?? '', 'cookie'))
  }

  async device(more: Partial<PendingLogin> = {}): Promise<void> {
    const now = this.people.ledger.now()
    const value: PendingLogin = {
      code: CODE,
      machineKey: machineKeyOf(new Uint8Array(32).fill(1)),
      nodeKey: nodeKeyOf(new Uint8Array(32).fill(2)),
      created: now,
      expires: (now + 15 * MINUTE_MS) as PendingLogin['expires'],
      hostname: 'laptop',
      os: 'linux',
      from: '192.0.2.9',
      ephemeral: false,
      requestTags: [],
      ...more,
    }
    await this.people.ledger.transact(SERVER, this.people.by, () => ({
      batch: { writes: [{ kind: 'login', id: CODE, expect: 'any', value }] },
      result: undefined,
    }))
  }

  outcome() {
    return this.people.ledger.model.login(CODE)?.outcome
  }
}

/** A reply in a line. */
function seen(reply: Reply): string {
  if (reply.kind === 'page') return `${reply.page.status} ${reply.page.title}`
  return reply.kind === 'go' ? `to ${reply.to}` : `${reply.status} ${JSON.stringify(reply.value)}`
}

test('a login leads through the provider and back to where it began, and to nowhere else', async () => {
  const rows: readonly [string, string][] = [
    ['/auth', '/auth'],
    [`/login/${CODE}`, `/login/${CODE}`],
    ['/ssh-check/abcdefgh', '/ssh-check/abcdefgh'],
    ['/admin/machines', '/admin/machines'],
    ['/auth/passkey/add', '/auth/passkey/add'],
    ['https://evil.example/', '/auth'],
    ['//evil.example', '/auth'],
    ['/\\evil.example', '/auth'],
    ['/admin//evil.example/..', '/admin//evil.example/..'],
    ['/admin\\evil', '/auth'],
    ['/admin/%0d%0aSet-Cookie:x', '/auth'],
    ['/admin/\r\nSet-Cookie: x', '/auth'],
    ['/login/../../evil', '/auth'],
    ['javascript:alert(1)', '/auth'],
    ['/auth/sign-out', '/auth'],
    ['/auth/start/work', '/auth'],
    ['', '/auth'],
  ]
  for (const [next, want] of rows) {
    const world = await SiteWorld.make()
    const back = await world.logIn(`?next=${encodeURIComponent(next)}`)
    assert.equal(seen(back), `to ${want}`, next)
    assert.equal(new URL(want, URL_OF_OURS).origin, URL_OF_OURS)
    const once = await world.ask('GET', `/auth?next=${encodeURIComponent(next)}`)
    assert.equal(seen(once), want === '/auth' ? '200 ada' : `to ${want}`, next)
  }
})

test('a login that is not this browser’s, not under way, or over leads to no session', async () => {
  const rows: readonly [string, (world: SiteWorld) => Promise<Reply>, RegExp][] = [
    [
      'begun in another browser',
      async (world) => {
        await world.ask('GET', '/auth/start/work')
        world.cookies.clear()
        return await world.ask('GET', `/auth/callback?state=${world.journeys.at(-1)?.state}`)
      },
      /^403 This login is over/,
    ],
    [
      'that comes back twice',
      async (world) => {
        await world.logIn()
        world.cookies.delete(SESSION_COOKIE)
        return await world.ask('GET', `/auth/callback?state=${world.journeys.at(-1)?.state}`)
      },
      /^403 This login is over/,
    ],
    ['that nobody began', (world) => world.ask('GET', '/auth/callback?state=x&code=y'), /^403 This login is over/],
    ['without a state', (world) => world.ask('GET', '/auth/callback'), /^403 This login is over/],
    [
      'whose provider was removed',
      async (world) => {
        await world.ask('GET', '/auth/start/work')
        await world.people.removeProvider()
        return await world.ask('GET', `/auth/callback?state=${world.journeys.at(-1)?.state}`)
      },
      /^403 This login is over/,
    ],
    [
      'of whom the provider says no',
      (world) => {
        world.proved = { kind: 'refused', why: 'No.', fault: 'bad nonce' }
        return world.logIn()
      },
      /^403 You could not be logged in/,
    ],
    [
      'of a stranger',
      (world) => {
        world.proved = { kind: 'proved', claims: { ...ada, email: 'eve@evil.example' } }
        return world.logIn()
      },
      /^403 You could not be logged in/,
    ],
    [
      'of somebody who waits for approval',
      async (world) => {
        await world.people.settings({ usersApprovalOn: true })
        return await world.logIn()
      },
      /^200 You are waiting for approval/,
    ],
    [
      'by a provider that is away',
      (world) => {
        world.away = true
        return world.ask('GET', '/auth/start/work')
      },
      /^502 Work does not answer/,
    ],
    ['by a provider that is none', (world) => world.ask('GET', '/auth/start/passkey'), /^404/],
    [
      'without TLS',
      (world) => world.ask('GET', '/auth/start/work', { secure: false }),
      /^403 Not over this connection/,
    ],
  ]
  for (const [name, act, want] of rows) {
    const world = await SiteWorld.make()
    assert.match(seen(await act(world)), want, `a login ${name}`)
    assert.equal(world.cookies.get(SESSION_COOKIE), undefined, `a login ${name}`)
  }
})

test('what changes something is a wish of a page of this session', async () => {
  const rows: readonly [string, Partial<Visit> & { form?: Record<string, unknown> }, boolean][] = [
    ['from our page', {}, true],
    ['from a browser that says no origin', { origin: undefined }, true],
    ['from another site', { origin: 'https://evil.example' }, false],
    ['from a page without an origin', { origin: 'null' }, false],
    ['from this host without TLS', { origin: 'http://sett.example' }, false],
    ['from another port', { origin: 'https://sett.example:8443' }, false],
    ['without the token', { form: { csrf: undefined } }, false],
    ['with another token', { form: { csrf: '0'.repeat(64) } }, false],
    ['with a token that is no text', { form: { csrf: ['x'] } }, false],
    ['without TLS', { secure: false }, false],
  ]
  for (const [name, more, done] of rows) {
    const world = await SiteWorld.make()
    await world.logIn()
    await world.device()
    const form = { csrf: world.csrf, decision: 'connect', ...more.form }
    const reply = await world.ask('POST', `/login/${CODE}`, { ...more, form })
    assert.equal(world.outcome()?.kind, done ? 'approved' : undefined, `connecting ${name}: ${seen(reply)}`)
    const out = await world.ask('POST', '/auth/sign-out', { ...more, form: { ...form, everywhere: 'yes' } })
    assert.equal(world.people.ledger.model.server.count('session'), done ? 0 : 1, `logging out ${name}: ${seen(out)}`)
  }
})

test('another session’s token is worth nothing in this one', async () => {
  const world = await SiteWorld.make()
  await world.logIn()
  const stolen = world.csrf
  await world.logIn()
  await world.device()
  await world.ask('POST', `/login/${CODE}`, { form: { csrf: stolen, decision: 'connect' } })
  assert.equal(world.outcome(), undefined)
})

test('a device’s link is for whoever is logged in, while it is open', async () => {
  const rows: readonly [string, Partial<PendingLogin> | undefined, string][] = [
    ['that is open', {}, '200 Connect this device?'],
    ['that never was', undefined, '404 This login is not open any more'],
    ['that is over', { expires: 1 as PendingLogin['expires'] }, '404 This login is not open any more'],
    ['that was connected', { outcome: { kind: 'approved', tailnet: 1, user: 1 } }, '200 The device is connected'],
    ['that was refused', { outcome: { kind: 'refused', why: 'no' } }, '200 This device has been refused'],
  ]
  for (const [name, login, want] of rows) {
    const world = await SiteWorld.make()
    await world.logIn()
    if (login !== undefined) await world.device(login)
    assert.equal(seen(await world.ask('GET', `/login/${CODE}`)), want, name)
    if (want.includes('?')) continue
    const form = { csrf: world.csrf, decision: 'connect' }
    const before = world.outcome()
    assert.equal(seen(await world.ask('POST', `/login/${CODE}`, { form })), '404 This login is not open any more', name)
    assert.deepEqual(world.outcome(), before)
  }
})

test('whoever looks in now and then stays logged in', async () => {
  const world = await SiteWorld.make()
  await world.logIn()
  for (let week = 0; week < 3; week++) {
    world.people.clock.advance(6 * DAY_MS)
    assert.equal(seen(await world.ask('GET', '/auth')), '200 ada')
  }
  world.people.clock.advance(7 * DAY_MS)
  assert.equal(seen(await world.ask('GET', '/auth')), '200 Log in to home')
})

test('addresses that are none lead nowhere', async () => {
  const world = await SiteWorld.make()
  const paths = [
    '/login/',
    '/login/short',
    `/login/${CODE}/`,
    '/login/K7WQ2MZX%00',
    `/login/${'A'.repeat(65)}`,
    `/logout/${CODE}`,
    '/auth/',
    '/auth/start',
    '/auth/start/work/x',
    '/auth/ticket/1.x',
    '/auth/passkey/other',
    '/auth/ticket/999999999999.x',
  ]
  for (const path of paths) assert.match(seen(await world.ask('GET', path)), /^404/, path)
  for (const method of ['PUT', 'DELETE', 'OPTIONS'])
    assert.match(seen(await world.ask(method, '/auth')), /^404/, method)
})

test('an answer by SAML goes on from our own page, with our cookies', async () => {
  const world = await SiteWorld.make()
  await world.ask('GET', '/auth/start/work')
  const state = world.journeys.at(-1)?.state ?? ''
  const posted = { RelayState: state, SAMLResponse: 'PHg+\r\nPC94Pg==' }
  const elsewhere = { cookies: new Map<string, string>(), origin: 'https://idp.example' }
  const handed = await world.ask('POST', '/auth/saml', { ...elsewhere, form: posted })
  assert.equal(seen(handed), '200 You are being logged in')
  assert.match(handed.kind === 'page' ? document(handed.page) : '', /name="SAMLResponse" value="PHg\+PC94Pg=="/)
  const form = { state, SAMLResponse: 'PHg+PC94Pg==' }
  assert.match(
    seen(await world.ask('POST', '/auth/callback', { form, origin: 'https://idp.example' })),
    /^403 This login/,
  )
  assert.equal(seen(await world.ask('POST', '/auth/callback', { form })), 'to /auth')
  assert.match(seen(await world.ask('POST', '/auth/callback', { form })), /^403 This login is over/)
  for (const bad of [
    {},
    { SAMLResponse: 'PHg+' },
    { ...posted, RelayState: '"><script>' },
    { ...posted, SAMLResponse: '"><script>' },
    { ...posted, SAMLResponse: 'A'.repeat(200_001) },
  ])
    assert.equal(seen(await world.ask('POST', '/auth/saml', { ...elsewhere, form: bad })), '400 Begin here')
})

/** What an authenticator makes of options. */
function answerTo(reply: Reply, id = 'key-1'): Record<string, unknown> {
  assert.equal(reply.kind, 'json')
  const { state, options } = reply.value as { state: string; options: { challenge: string } }
  return { state, answer: { id, challenge: options.challenge } }
}

test('a passkey is made by a link, logs in, and is added to an account after a fresh login only', async () => {
  const world = await SiteWorld.make()
  const { text } = await world.people.link({ purpose: 'owner' })
  const query = `?ticket=${text}`
  const made = answerTo(await world.ask('POST', `/auth/passkey/add-options${query}`))
  assert.equal(seen(await world.ask('POST', '/auth/passkey/add-verify', { form: made })), '200 {"next":"/auth"}')
  assert.match(seen(await world.ask('GET', `/auth/ticket/${text}`)), /^404 This link is over/)
  assert.match(seen(await world.ask('POST', `/auth/passkey/add-options?ticket=${text}`)), /^403/)

  world.cookies.clear()
  const used = answerTo(await world.ask('POST', '/auth/passkey/options'))
  assert.equal(seen(await world.ask('POST', '/auth/passkey/verify', { form: used })), '200 {"next":"/auth"}')
  assert.match(seen(await world.ask('POST', '/auth/passkey/verify', { form: used })), /^403/)

  const another = answerTo(
    await world.ask('POST', '/auth/passkey/add-options', { form: { csrf: world.csrf } }),
    'key-2',
  )
  assert.equal(seen(await world.ask('POST', '/auth/passkey/add-verify', { form: another })), '200 {"next":"/auth"}')

  world.people.clock.advance(16 * MINUTE_MS)
  assert.match(seen(await world.ask('POST', '/auth/passkey/add-options', { form: { csrf: world.csrf } })), /^403/)
  assert.match(seen(await world.ask('GET', '/auth/passkey/add')), /^to \/auth\/passkey\?.*again=yes/)
  // A state for proving it anew is no leave to add one.
  const sly = answerTo(await world.ask('POST', '/auth/passkey/options?again=yes'), 'key-3')
  assert.match(seen(await world.ask('POST', '/auth/passkey/add-verify', { form: sly })), /^403/)
  assert.equal(world.people.state.count('passkey'), 2)
})

test('a passkey is asked for by our own pages, and answers for its own challenge and browser', async () => {
  const world = await SiteWorld.make()
  await world.people.passkey(world.people.owner.id)
  const id = `passkey-of-${world.people.owner.id}`
  for (const act of ['options', 'verify', 'add-options', 'add-verify'])
    assert.match(seen(await world.ask('POST', `/auth/passkey/${act}`, { origin: 'https://evil.example' })), /^404/, act)
  const asked = answerTo(await world.ask('POST', '/auth/passkey/options'), id)
  const elsewhere = new Map([[BROWSER_COOKIE, world.people.browser().reveal()]])
  assert.match(seen(await world.ask('POST', '/auth/passkey/verify', { form: asked, cookies: elsewhere })), /^403/)
  const other = answerTo(await world.ask('POST', '/auth/passkey/options'), id)
  const mixed = { state: asked['state'], answer: other['answer'] }
  assert.match(seen(await world.ask('POST', '/auth/passkey/verify', { form: mixed })), /^403/)
  assert.equal(world.people.ledger.model.server.count('session'), 0)
})

test('what browsers call themselves is a value on the account’s page and nothing else', async () => {
  const world = await SiteWorld.make()
  const tags = async (agent: string): Promise<string[]> => {
    await world.ask('GET', '/auth/start/work')
    await world.ask('GET', `/auth/callback?state=${world.journeys.at(-1)?.state}`, { agent })
    const reply = await world.ask('GET', '/auth')
    return (
      (reply.kind === 'page' ? document(reply.page) : '').match(/<[^>]*>/g)?.filter((tag) => !tag.includes('csrf')) ??
      []
    )
  }
  const harmless = await tags('Browser')
  for (const agent of ['<script>alert(1)</script>', `"><img src=x onerror=alert(1)>`, '</dd></dl><form action=//evil>'])
    assert.deepEqual(await tags(agent), harmless, agent)
})
