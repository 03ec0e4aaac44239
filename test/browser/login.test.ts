/** People log in with a real browser at a real server: by every kind of provider, by passkeys, and connect devices. */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Coord } from '../e2e/coord.ts'
import { drawKey, publicNodeKey } from '../e2e/node.ts'
import { ControlClient, registerBody } from '../support/control-client.ts'
import { standGithub } from '../support/identity/github.ts'
import type { Github } from '../support/identity/github.ts'
import { standOpenId } from '../support/identity/openid.ts'
import type { OpenId, Said } from '../support/identity/openid.ts'
import { standSaml } from '../support/identity/saml.ts'
import type { SamlProvider } from '../support/identity/saml.ts'
import { freePorts } from '../support/pebble.ts'
import { browserMissing, Chromium } from './chromium.ts'
import type { Person } from './chromium.ts'

const skip = browserMissing()

interface User {
  readonly id: string
  readonly loginName: string
  readonly role: string
  readonly status: string
}
interface Provider {
  readonly id: string
  readonly callbackUrl: string
}

describe('a real browser', { skip }, () => {
  let coord: Coord
  let chromium: Chromium
  let openid: OpenId
  let github: Github
  let saml: SamlProvider
  let url = ''
  /** What the OpenID provider says; tests change it. */
  const people: Record<string, Said> = {
    ada: { email: 'ada@example.com', email_verified: true, name: 'Ada', groups: ['/staff/ops'] },
    ben: { email: 'ben@example.com', email_verified: true, name: 'Ben' },
    eve: { email: 'eve@evil.example', email_verified: true },
    mal: { email: 'boss@example.com', email_verified: false },
  }

  before(async () => {
    const [port = 0] = await freePorts(1)
    url = `http://localhost:${port}`
    coord = await Coord.start({ args: ['--listen', `127.0.0.1:${port}`, '--url', url] })
    chromium = await Chromium.open()
    openid = await standOpenId({ redirectUri: `${url}/auth/callback`, people })
    github = await standGithub([
      { id: 1, login: 'mona', name: 'Mona', orgs: ['acme'], teams: ['acme/ops'] },
      { id: 2, login: 'loner', orgs: ['other'] },
    ])
    saml = await standSaml({
      sam: { nameId: 'u-9', attributes: { email: ['sam@example.com'], groups: ['staff'] } },
      sal: { nameId: 'u-10', attributes: { email: ['sal@elsewhere.example'] } },
    })
    await set('work', 'Work', {
      settings: {
        kind: 'oidc',
        issuer: openid.url,
        clientId: openid.clientId,
        clientSecret: openid.clientSecret,
        scopes: ['openid', 'profile', 'email', 'groups'],
      },
      admits: { domains: ['example.com'] },
      groupDomain: 'example.com',
    })
    await set('github', 'GitHub', {
      settings: {
        kind: 'github',
        clientId: github.clientId,
        clientSecret: github.clientSecret,
        url: github.url,
        apiUrl: github.url,
      },
      admits: { groups: ['acme'] },
    })
    const set3 = await set('campus', 'Campus', {
      settings: { kind: 'saml', entityId: saml.entityId, ssoUrl: saml.ssoUrl, certificates: [saml.certificate] },
      admits: { domains: ['example.com'] },
    })
    assert.equal(set3.callbackUrl, `${url}/auth/saml`)
  })
  after(async () => {
    await chromium?.close()
    for (const standing of [openid, github, saml]) await standing?.close()
    await coord?.remove()
  })

  const set = async (id: string, title: string, more: object): Promise<Provider> =>
    await coord.admin<Provider>('PUT', `/sett/tailnet/-/identity-providers/${id}`, { title, ...more })
  const users = async (): Promise<readonly User[]> =>
    (await coord.admin<{ users: User[] }>('GET', '/tailnet/-/users')).users
  const user = async (loginName: string): Promise<User> => {
    const found = (await users()).find((one) => one.loginName === loginName)
    assert.ok(found !== undefined, `no user ${loginName}`)
    return found
  }

  /** A device that asks to join, and what it is told when its link has been decided. */
  async function device(
    hostname: string,
  ): Promise<{ link: string; told: () => Promise<{ User?: object; Error: string }> }> {
    const client = await ControlClient.connect({ url: `http://127.0.0.1:${new URL(url).port}` })
    const body = registerBody({ nodeKey: publicNodeKey(drawKey()), hostname })
    const { text } = await client.register(body)
    const link = (JSON.parse(text) as { AuthURL: string }).AuthURL
    return {
      link,
      told: async () => {
        const answer = await client.register({ ...body, Followup: link })
        client.close()
        return JSON.parse(answer.text) as { Error: string }
      },
    }
  }

  /** Somebody logs in from the account page and sees it. */
  async function logIn(person: Person, by: string, login: string): Promise<void> {
    // Providers know people for a while, too.
    await person.context.clearCookies({ domain: '127.0.0.1' })
    await person.open(`${url}/auth`)
    await person.press(`Log in with ${by}`)
    await person.signInAs(login)
  }

  /** Where the provider sends somebody back to, who does not go there. */
  async function wayBack(person: Person, login: string): Promise<string> {
    const asked = { maxRedirects: 0 }
    let at = `${url}/auth/start/work`
    while (!at.startsWith(`${url}/auth/callback`)) {
      const shown = await person.context.request.get(at, asked)
      const { location } = shown.headers()
      const signedIn = location === undefined && (await person.context.request.post(at, { ...asked, form: { login } }))
      at = new URL(location ?? (signedIn === false ? '' : (signedIn.headers()['location'] ?? '')), at).href
    }
    return at
  }

  async function check(person: Person): Promise<void> {
    assert.deepEqual(person.complaints, [])
    await person[Symbol.asyncDispose]()
  }

  const ways = [
    { by: 'Work', login: 'ada', as: 'ada@example.com' },
    { by: 'GitHub', login: 'mona', as: 'mona@github' },
    { by: 'Campus', login: 'sam', as: 'sam@example.com' },
  ] as const
  for (const { by, login, as } of ways)
    test(`logs somebody in by ${by}, again as the same user, and out`, async () => {
      const person = await chromium.person()
      await logIn(person, by, login)
      await person.page.waitForURL(`${url}/auth`)
      assert.match(await person.text(), new RegExp(`logged in to .* as ${as.replaceAll('.', '\\.')} \\(member\\)`))
      const { id } = await user(as)
      const cookies = await person.context.cookies(url)
      const session = cookies.find(({ name }) => name === '__Host-sett-session')
      assert.deepEqual(
        { secure: session?.secure, httpOnly: session?.httpOnly, sameSite: session?.sameSite, path: session?.path },
        { secure: true, httpOnly: true, sameSite: 'Lax', path: '/' },
      )
      await person.press('Log out')
      await person.sees(/^Log in to/)
      await person.context.clearCookies()
      await logIn(person, by, login)
      await person.page.waitForURL(`${url}/auth`)
      assert.equal((await user(as)).id, id)
      await check(person)
    })

  const strangers = [
    { by: 'Work', login: 'eve', says: /eve@evil\.example is not let into this tailnet/ },
    { by: 'Work', login: 'mal', says: /mal@work is not let into this tailnet/ },
    { by: 'GitHub', login: 'loner', says: /loner@github is not let into this tailnet/ },
    { by: 'Campus', login: 'sal', says: /sal@elsewhere\.example is not let into this tailnet/ },
    { by: 'Work', login: '', says: /The login was cancelled/ },
    { by: 'GitHub', login: 'nobody', says: /The login was cancelled/ },
    { by: 'Campus', login: 'nobody', says: /answer could not be accepted/ },
  ] as const
  test('is told who is not let in, and nobody is made a user', async () => {
    const before = (await users()).length
    for (const { by, login, says } of strangers) {
      const person = await chromium.person()
      await logIn(person, by, login)
      await person.sees('You could not be logged in')
      assert.match(await person.text(), says)
      await person.open(`${url}/auth`)
      await person.sees(/^Log in to/)
      await check(person)
    }
    assert.equal((await users()).length, before)
  })

  test('connects a device by its link, through the provider and back; the link is good once', async () => {
    const person = await chromium.person()
    const { link, told } = await device('<b>laptop</b>')
    await person.open(link)
    await person.sees('A device asks to join')
    assert.match(await person.text(), /<b>laptop<\/b>[\s\S]*127\.0\.0\.1/)
    await person.press('Log in with Work')
    await person.signInAs('ada')
    await person.sees('Connect this device?')
    const waiting = told()
    await person.press('Connect')
    await person.sees('The device is connected')
    assert.match(JSON.stringify((await waiting).User), /ada@example\.com|"Ada"/)
    const stranger = await chromium.person()
    await stranger.open(link)
    await stranger.sees('The device is connected')
    assert.equal(await stranger.page.getByRole('button').count(), 0)
    await check(stranger)
    await check(person)
  })

  test('refuses a device, which is told so; a link that never was leads nowhere', async () => {
    const person = await chromium.person()
    await logIn(person, 'Work', 'ada')
    await person.page.waitForURL(`${url}/auth`)
    const { link, told } = await device('not-mine')
    await person.open(link)
    await person.sees('Connect this device?')
    const waiting = told()
    await person.press('This is not my device')
    await person.sees('This device has been refused')
    assert.match((await waiting).Error, /refused by ada@example\.com/)
    await person.open(`${url}/login/${'A'.repeat(16)}`)
    await person.sees('This login is not open any more')
    await check(person)
  })

  test('lets somebody use another account for a device', async () => {
    const person = await chromium.person()
    await logIn(person, 'Work', 'ada')
    await person.page.waitForURL(`${url}/auth`)
    const { link } = await device('shared')
    await person.open(link)
    await person.press('Use another account')
    await person.sees('A device asks to join')
    await person.press('Log in with GitHub')
    await person.signInAs('mona')
    await person.sees('Connect this device?')
    assert.match(await person.text(), /logged in as mona@github/)
    await check(person)
  })

  test('finishes only the login that it began', async () => {
    const [victim, attacker] = [await chromium.person(), await chromium.person()]
    // The attacker stops on the way back, and has the victim's browser go on as them.
    const back = await wayBack(attacker, 'ben')
    await victim.open(back)
    await victim.sees('This login is over')
    await victim.open(`${url}/auth`)
    await victim.sees(/^Log in to/)
    // Whoever began it may still go on, and once.
    await attacker.open(back)
    await attacker.page.waitForURL(`${url}/auth`)
    await attacker.open(back)
    await attacker.sees('This login is over')
    await check(victim)
    await check(attacker)
  })

  test('is logged out everywhere at once', async () => {
    const [one, two] = [await chromium.person(), await chromium.person()]
    for (const person of [one, two]) {
      await logIn(person, 'Work', 'ben')
      await person.page.waitForURL(`${url}/auth`)
    }
    const kept = await two.context.cookies(url)
    await one.press('Log out everywhere')
    await one.sees(/^Log in to/)
    await two.page.reload()
    await two.sees(/^Log in to/)
    await two.context.addCookies(kept)
    await two.open(`${url}/auth`)
    await two.sees(/^Log in to/)
    await check(one)
    await check(two)
  })

  test('is nobody any more when its user is suspended, and cannot come back', async () => {
    const person = await chromium.person()
    await logIn(person, 'Work', 'ben')
    await person.page.waitForURL(`${url}/auth`)
    const { id } = await user('ben@example.com')
    await coord.admin('POST', `/users/${id}/suspend`)
    await person.page.reload()
    await person.sees(/^Log in to/)
    await logIn(person, 'Work', 'ben')
    await person.sees('You could not be logged in')
    assert.match(await person.text(), /Your account is suspended/)
    await coord.admin('POST', `/users/${id}/restore`)
    await person.open(`${url}/auth`)
    assert.match(await person.text(), /as ben@example\.com/)
    await check(person)
  })

  describe('with passkeys', () => {
    let owner: Person
    before(async () => {
      owner = await chromium.person()
      await owner.getAuthenticator()
    })
    after(() => owner?.[Symbol.asyncDispose]())

    test('makes one by a link, which is good once', async () => {
      const first = (await users()).find(({ role }) => role === 'owner')
      const { url: link } = await coord.admin<{ url: string }>('POST', `/sett/users/${first?.id}/login-link`)
      await owner.open(link)
      await owner.sees(/^Become the owner of/)
      await owner.press('Make a passkey')
      await owner.sees('Make a passkey')
      await owner.press('Make a passkey')
      await owner.page.waitForURL(`${url}/auth`)
      assert.match(await owner.text(), /\(owner\)/)
      await owner.open(link)
      await owner.sees('This link is over')
    })

    test('logs in by it, and connects a device', async () => {
      await owner.open(`${url}/auth`)
      await owner.press('Log out')
      const { link, told } = await device('owners-laptop')
      await owner.open(link)
      await owner.press('Log in with a passkey')
      await owner.press('Use a passkey')
      await owner.sees('Connect this device?')
      const waiting = told()
      await owner.press('Connect')
      await owner.sees('The device is connected')
      assert.ok((await waiting).User !== undefined)
      assert.deepEqual(owner.complaints, [])
    })

    test('is refused where the browser has none of ours', async () => {
      const person = await chromium.person()
      await person.getAuthenticator()
      await person.open(`${url}/auth`)
      await person.press('Log in with a passkey')
      await person.press('Use a passkey')
      await person.page.getByText(/Nothing was chosen|not known/).waitFor()
      await check(person)
    })

    test('adds one to an account, after a fresh login, and logs in by it', async () => {
      const person = await chromium.person()
      await person.getAuthenticator()
      await logIn(person, 'Work', 'ada')
      await person.page.waitForURL(`${url}/auth`)
      await person.press('Add a passkey')
      await person.sees('Make a passkey')
      await person.press('Make a passkey')
      await person.page.waitForURL(`${url}/auth`)
      await person.press('Log out')
      await person.press('Log in with a passkey')
      await person.press('Use a passkey')
      await person.page.waitForURL(`${url}/auth`)
      assert.match(await person.text(), /as ada@example\.com/)
      await check(person)
    })
  })

  test('what secrets the browsers and providers had is in no log and not in the database as it is', () => {
    const dump = JSON.stringify(coord.dump())
    for (const secret of [openid.clientSecret, github.clientSecret]) {
      assert.ok(!coord.log.includes(secret))
      assert.ok(!dump.includes(secret))
    }
  })
})
