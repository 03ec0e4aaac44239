/**
 * Browsers at the pages of a server in memory: one identity provider, `work`, at which whoever comes back is the person
 * whom the browser belongs to.
 */

import { nodePrimitives } from '../../src/crypto/io/node-primitives.ts'
import { SESSION_COOKIE } from '../../src/coord/people/door.ts'
import type { Authenticators, IdentityProviders, Journey } from '../../src/coord/people/identity-providers.ts'
import { document } from '../../src/coord/people/pages/html.ts'
import { Site } from '../../src/coord/people/site.ts'
import type { Reply, Visit } from '../../src/coord/people/visit.ts'
import type { Provider, User } from '../../src/coord/model/records.ts'
import { TESTER } from './ledger.ts'
import type { World } from './world.ts'

const OURS = 'http://sett.example:8080'
const DOMAIN = 'example.com'

/** Nobody has a passkey. */
const NO_PASSKEYS: Authenticators = {
  registrationOptions: () => Promise.resolve({}),
  authenticationOptions: () => Promise.resolve({}),
  credentialIdOf: () => undefined,
  verifyRegistration: () => Promise.resolve(undefined),
  verifyAuthentication: () => Promise.resolve(undefined),
}

/** What a browser shows: the text of a page, or where it was sent. */
export interface Shown {
  readonly status: number
  readonly title: string
  readonly text: string
}

export class Browser {
  readonly #site: Site
  readonly #cookies = new Map<string, string>()
  #journey: Journey | undefined

  /** @param person local part of their address at the provider's domain */
  constructor({ coord }: World, person: string) {
    const providers: IdentityProviders = {
      begin: (_, journey) => {
        this.#journey = journey
        return Promise.resolve('https://id.example.com/authorize')
      },
      finish: () =>
        Promise.resolve({
          kind: 'proved',
          claims: { issuer: 'https://id.example.com', subject: person, email: `${person}@${DOMAIN}`, groups: [] },
        }),
    }
    this.#site = new Site({
      ledger: coord.ledger,
      dice: nodePrimitives.random,
      sha256: (...parts) => nodePrimitives.sha256(...parts),
      providers,
      authenticators: NO_PASSKEYS,
      url: OURS,
      onFault: () => undefined,
    })
  }

  async get(path: string): Promise<Shown> {
    return await this.#follow(await this.#visit('GET', path))
  }

  /** Presses a button of the page at `path`, which has this text. */
  async press(path: string, button: string): Promise<Shown> {
    const { text } = await this.get(path)
    const forms = text.split('<form').slice(1)
    const form = forms.find((each) => each.includes(`>${button}<`) || each.includes(button)) ?? ''
    const [, action = ''] = /action="([^"]*)"/.exec(form) ?? []
    const fields = new Map<string, unknown>()
    for (const [tag] of form.matchAll(/<(?:input|button)[^>]*>/g)) {
      const [, name] = /name="([^"]*)"/.exec(tag) ?? []
      const [, value = ''] = /value="([^"]*)"/.exec(tag) ?? []
      if (name !== undefined) fields.set(name, value)
    }
    if (action === '') throw new Error(`there is no button "${button}" on the page: ${text}`)
    return await this.post(action, fields)
  }

  async post(path: string, fields: ReadonlyMap<string, unknown>, origin: string | undefined = OURS): Promise<Shown> {
    return await this.#follow(await this.#visit('POST', path, { origin, body: () => Promise.resolve(fields) }))
  }

  /** Follows a link of the page at `path` to the provider and back; shows where that ends. */
  async follow(path: string, link: string): Promise<Shown> {
    const { text } = await this.get(path)
    const found = [...text.matchAll(/<a href="([^"]*)">([^<]*)</g)].find(([, , name]) => name === link)
    if (found?.[1] === undefined) throw new Error(`there is no link "${link}" on the page: ${text}`)
    await this.#visit('GET', found[1].replaceAll('&#38;', '&'))
    return await this.get(`/auth/callback?state=${this.#journey?.state}&code=x`)
  }

  get isLoggedIn(): boolean {
    return this.#cookies.has(SESSION_COOKIE)
  }

  async #follow(reply: Reply): Promise<Shown> {
    if (reply.kind === 'go') return await this.get(reply.to)
    if (reply.kind === 'json') throw new Error(`not a page: ${JSON.stringify(reply.value)}`)
    const { status, title } = reply.page
    return { status, title, text: document(reply.page) }
  }

  async #visit(method: string, path: string, more: Partial<Visit> = {}): Promise<Reply> {
    const reply = await this.#site.visit({
      method,
      url: new URL(path, OURS),
      cookies: this.#cookies,
      origin: undefined,
      agent: 'Browser',
      from: '192.0.2.50',
      secure: true,
      body: () => Promise.resolve(new Map()),
      ...more,
    })
    for (const { name, value } of reply.cookies ?? [])
      if (value === undefined) this.#cookies.delete(name)
      else this.#cookies.set(name, value.reveal())
    return reply
  }
}

/** A provider through which everybody at example.com may come. */
export async function addProvider(world: World): Promise<void> {
  const value: Provider = {
    id: 'work',
    title: 'Work',
    settings: {
      kind: 'oidc',
      issuer: 'https://id.example.com',
      clientId: 'sett',
      scopes: ['openid'],
      groupsClaim: 'groups',
      trustEmail: false,
    },
    admits: { anyone: false, domains: [DOMAIN], groups: [], users: [] },
    created: world.wall(),
  }
  await world.coord.ledger.transact(world.tailnet.num, TESTER, () => ({
    batch: { writes: [{ kind: 'provider', id: value.id, expect: 'any', value }] },
    result: undefined,
  }))
}

/** Somebody who logs in for the first time, and so becomes a user. */
export async function logsIn(
  world: World,
  person: string,
): Promise<{ readonly browser: Browser; readonly user: User }> {
  const browser = new Browser(world, person)
  await browser.follow('/auth', 'Log in with Work')
  const user = world.state().usersByLogin.get(`${person}@${DOMAIN}`)
  if (user === undefined || !browser.isLoggedIn) throw new Error(`${person} could not log in`)
  await world.settle()
  return { browser, user }
}
