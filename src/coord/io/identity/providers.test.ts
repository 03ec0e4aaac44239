/** Real ways to providers and back, with a program for a browser: what each makes of what providers say. */

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import type { Wall } from '../../../base/clock.ts'
import { Secret } from '../../../base/secret.ts'
import { standGithub } from '../../../../test/support/identity/github.ts'
import type { Github } from '../../../../test/support/identity/github.ts'
import { standOpenId } from '../../../../test/support/identity/openid.ts'
import type { OpenId, OpenIdOptions, Said } from '../../../../test/support/identity/openid.ts'
import { providerSecretPlace } from '../../model/people.ts'
import type { OidcSettings, Provider } from '../../model/records.ts'
import type { IdentityProviders, Journey, Proved } from '../../people/identity-providers.ts'
import { createProviders } from './providers.ts'
import { createSeal } from './seal.ts'

const URL_OF_OURS = 'http://localhost:1'
const BACK = `${URL_OF_OURS}/auth/callback`
const NOBODY = { anyone: false, domains: [], groups: [], users: [] }

const seal = createSeal(new Secret(randomBytes(32).toString('hex')))
const providers = (mono: () => number = () => 0): IdentityProviders => createProviders({ seal, mono, url: URL_OF_OURS })

function journey(again = false): Journey {
  const token = (): string => randomBytes(32).toString('base64url')
  return { state: token(), nonce: token(), verifier: token(), redirectUri: BACK, again, begun: Date.now() as Wall }
}

/** Goes where a provider sends it, signs in where it is asked who it is, and ends where it is sent back to us. */
async function browse(start: string, login: string): Promise<URLSearchParams> {
  const cookies = new Map<string, string>()
  let [url, form] = [start, undefined as URLSearchParams | undefined]
  for (let step = 0; step < 12; step++) {
    if (url.startsWith(BACK)) return new URL(url).searchParams
    const response = await fetch(url, {
      redirect: 'manual',
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; '), connection: 'close' },
      ...(form === undefined ? {} : { method: 'POST', body: form }),
    })
    form = undefined
    for (const set of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(set) ?? []
      if (value === '') cookies.delete(name)
      else cookies.set(name, value)
    }
    const text = await response.text()
    const location = response.headers.get('location')
    if (location !== null) url = new URL(location, url).href
    else {
      const action = /<form method="post" action="([^"]+)"/.exec(text)?.[1]?.replaceAll('&amp;', '&')
      assert.ok(action !== undefined, `${url} shows no form: ${response.status} ${text.slice(0, 300)}`)
      url = new URL(action, url).href
      form = new URLSearchParams({ login })
    }
  }
  throw new Error(`no way back from ${start}`)
}

function provider(settings: Provider['settings'], more: Partial<Provider> = {}): Provider {
  return { id: 'work', title: 'Work', settings, admits: NOBODY, created: 0 as Wall, ...more }
}

function openId({ url, clientId, clientSecret }: OpenId, more: Partial<OidcSettings> = {}): Provider {
  return provider({
    kind: 'oidc',
    issuer: url,
    clientId,
    clientSecret: seal.seal(clientSecret, providerSecretPlace('work')),
    scopes: ['openid', 'profile', 'email', 'groups'],
    groupsClaim: 'groups',
    trustEmail: false,
    ...more,
  })
}

async function logIn(by: IdentityProviders, at: Provider, login: string, on = journey()): Promise<Proved> {
  return await by.finish(at, on, await browse(await by.begin(at, on), login))
}

const ADA: Said = {
  email: 'ada@example.com',
  email_verified: true,
  name: 'Ada Lovelace',
  preferred_username: 'ada',
  picture: 'https://pictures.example/ada.png',
  groups: ['/staff/ops', 'everyone'],
}
const ADA_CLAIMS = {
  subject: 'ada',
  email: 'ada@example.com',
  handle: 'ada',
  displayName: 'Ada Lovelace',
  pictureUrl: 'https://pictures.example/ada.png',
  groups: ['/staff/ops', 'everyone'],
}

describe('OpenID Connect', () => {
  const people = { ada: ADA, bob: { email: 'bob@example.com', email_verified: false, roles: 'dev' } }
  const shapes: readonly {
    readonly name: string
    readonly options?: Partial<OpenIdOptions>
    readonly settings?: Partial<OidcSettings>
  }[] = [
    { name: 'that tells all in the ID token' },
    { name: 'that tells all when it is asked', options: { apart: true } },
    {
      name: 'that wants the secret in a header',
      options: { client: { token_endpoint_auth_method: 'client_secret_basic' } },
    },
  ]
  for (const { name, options, settings } of shapes)
    test(`a provider ${name}`, async (t) => {
      const standing = await standOpenId({ redirectUri: BACK, people, ...options })
      t.after(() => standing.close())
      const at = openId(standing, settings)
      assert.deepEqual(await logIn(providers(), at, 'ada'), {
        kind: 'proved',
        claims: { issuer: standing.url, ...ADA_CLAIMS },
      })
      const bob = await logIn(providers(), openId(standing, { groupsClaim: 'roles' }), 'bob')
      assert.deepEqual(bob, { kind: 'proved', claims: { issuer: standing.url, subject: 'bob', groups: ['dev'] } })
    })

  describe('what comes back', () => {
    let standing: OpenId
    before(async () => {
      standing = await standOpenId({ redirectUri: BACK, people })
    })
    after(() => standing.close())

    test('is refused when it is not what was asked for', async () => {
      const by = providers()
      const at = openId(standing)
      const rows: readonly [string, (answer: URLSearchParams, on: Journey) => [Journey, URLSearchParams]][] = [
        ['of another login', (answer, on) => [{ ...on, state: 'other' }, answer]],
        ['with another nonce', (answer, on) => [{ ...on, nonce: 'other' }, answer]],
        ['with another verifier', (answer, on) => [{ ...on, verifier: journey().verifier }, answer]],
        ['with a code that is made up', (answer, on) => [on, changed(answer, 'code', 'x')]],
        ['without a code', (answer, on) => [on, changed(answer, 'code', undefined)]],
        ['of another issuer', (answer, on) => [on, changed(answer, 'iss', 'https://evil.example')]],
      ]
      for (const [name, change] of rows) {
        const on = journey()
        const proved = await by.finish(at, ...change(await browse(await by.begin(at, on), 'ada'), on))
        assert.equal(proved.kind, 'refused', `an answer ${name}`)
      }
      const on = journey()
      const answer = await browse(await by.begin(at, on), 'ada')
      assert.equal((await by.finish(at, on, answer)).kind, 'proved')
      assert.equal((await by.finish(at, on, answer)).kind, 'refused', 'the same answer once more')
    })

    test('is a refusal when somebody changes their mind', async () => {
      const proved = await logIn(providers(), openId(standing), '')
      assert.equal(proved.kind, 'refused')
      if (proved.kind === 'refused') assert.match(proved.why, /cancelled/)
    })

    test('says that they proved it anew, where they were to', async () => {
      const by = providers()
      const at = openId(standing)
      const on = journey(true)
      const address = new URL(await by.begin(at, on))
      assert.equal(address.searchParams.get('prompt'), 'login')
      assert.equal(address.searchParams.get('max_age'), '0')
      assert.equal((await by.finish(at, on, await browse(address.href, 'ada'))).kind, 'proved')
      const later = { ...journey(true), begun: (Date.now() + 600_000) as Wall }
      const stale = await by.finish(at, later, await browse(await by.begin(at, later), 'ada'))
      assert.equal(stale.kind, 'refused')
    })
  })

  test('a provider that is away, is none, or is another one is said to be', async (t) => {
    const standing = await standOpenId({ redirectUri: BACK, people })
    t.after(() => standing.close())
    const issuers = ['http://127.0.0.1:1', `${standing.url}/elsewhere`, standing.url.replace('127.0.0.1', 'localhost')]
    for (const issuer of issuers)
      await assert.rejects(
        providers().begin(openId(standing, { issuer }), journey()),
        { code: 'api/unreachable' },
        issuer,
      )
  })

  test('what a provider publishes is read again after an hour, and kept meanwhile', async () => {
    let now = 0
    const by = providers(() => now)
    const standing = await standOpenId({ redirectUri: BACK, people })
    const at = openId(standing)
    await by.begin(at, journey())
    await standing.close()
    now = 3_599_999
    await by.begin(at, journey())
    now = 3_600_001
    await assert.rejects(by.begin(at, journey()), { code: 'api/unreachable' })
  })
})

describe('GitHub', () => {
  const many = Array.from({ length: 130 }, (_, i) => `org-${i}`)
  let github: Github
  before(async () => {
    github = await standGithub([
      {
        id: 583231,
        login: 'mona',
        name: 'Mona L.',
        emails: [
          { email: 'mona@play.example', primary: false, verified: true },
          { email: 'mona@work.example', primary: true, verified: true },
        ],
        orgs: ['acme'],
        teams: ['acme/ops'],
      },
      { id: 7, login: 'new', emails: [{ email: 'boss@work.example', primary: true, verified: false }] },
      { id: 8, login: 'joiner', orgs: many },
    ])
  })
  after(() => github.close())

  const at = (more: Partial<Provider> = {}): Provider =>
    provider(
      {
        kind: 'github',
        clientId: github.clientId,
        clientSecret: seal.seal(github.clientSecret, providerSecretPlace('work')),
        url: `${github.url}/`,
        apiUrl: github.url,
      },
      { groupDomain: 'example.com', ...more },
    )

  test('somebody is their number there; organizations and teams are their groups', async () => {
    assert.deepEqual(await logIn(providers(), at(), 'mona'), {
      kind: 'proved',
      claims: {
        issuer: github.url,
        subject: '583231',
        email: 'mona@work.example',
        handle: 'mona',
        displayName: 'Mona L.',
        pictureUrl: 'https://avatars.example/583231',
        groups: ['acme', 'acme/ops'],
      },
    })
    assert.equal(github.scope(), 'read:user user:email read:org')
  })

  test('an address that is not verified does not count, and all pages of a list are read', async () => {
    const fresh = await logIn(providers(), at(), 'new')
    assert.ok(fresh.kind === 'proved' && fresh.claims.email === undefined, JSON.stringify(fresh))
    const joiner = await logIn(providers(), at(), 'joiner')
    assert.deepEqual(joiner.kind === 'proved' && joiner.claims.groups, many)
  })

  test('organizations are not asked for where they do not matter', async () => {
    const { groupDomain: _unused, ...plain } = at()
    const proved = await logIn(providers(), plain, 'mona')
    assert.deepEqual(proved.kind === 'proved' && proved.claims.groups, [])
    assert.equal(github.scope(), 'read:user user:email')
  })

  test('an answer that is not for this login proves nothing', async () => {
    const by = providers()
    const rows: readonly [string, (answer: URLSearchParams, on: Journey) => [Journey, URLSearchParams]][] = [
      ['with another verifier', (answer, on) => [{ ...on, verifier: journey().verifier }, answer]],
      ['with a code that is made up', (answer, on) => [on, changed(answer, 'code', 'x')]],
      ['without a code', (answer, on) => [on, changed(answer, 'code', undefined)]],
      ['that is a refusal', (_, on) => [on, new URLSearchParams({ error: 'access_denied' })]],
    ]
    for (const [name, change] of rows) {
      const on = journey()
      const answer = await browse(await by.begin(at(), on), 'mona')
      assert.equal((await by.finish(at(), ...change(answer, on))).kind, 'refused', `an answer ${name}`)
    }
  })

  test('a secret that was sealed for another provider stays shut', async () => {
    const by = providers()
    const proved = await logIn(by, { ...at(), id: 'other' }, 'mona')
    assert.ok(proved.kind === 'refused' && /sealed with another key/.test(proved.fault), JSON.stringify(proved))
  })
})

function changed(answer: URLSearchParams, name: string, value: string | undefined): URLSearchParams {
  const after = new URLSearchParams(answer)
  if (value === undefined) after.delete(name)
  else after.set(name, value)
  return after
}
