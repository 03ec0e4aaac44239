/** A tailnet with an owner and a provider, in memory, for tests of how people come in. */

import { HOUR_MS, later } from '../../src/base/clock.ts'
import type { Wall } from '../../src/base/clock.ts'
import { Secret } from '../../src/base/secret.ts'
import { firstTailnet } from '../../src/coord/first-start.ts'
import type { StoreLedger } from '../../src/coord/ledger.ts'
import type { TailnetState } from '../../src/coord/model/model.ts'
import { findUser, newUser, userWrite, userWrites } from '../../src/coord/model/people.ts'
import { SERVER } from '../../src/coord/model/records.ts'
import type { Provider, Role, SignIn, Tailnet, Ticket, User, Write } from '../../src/coord/model/records.ts'
import { mintTicket, ticketWrite } from '../../src/coord/model/tickets.ts'
import type { Claims } from '../../src/coord/people/claims.ts'
import { Sessions } from '../../src/coord/people/sessions.ts'
import { SignIns } from '../../src/coord/people/sign-in.ts'
import type { Begin, Settled } from '../../src/coord/people/sign-in.ts'
import { nodePrimitives } from '../../src/crypto/io/node-primitives.ts'
import { memoryDatabase, TestClock, TESTER, testLedger } from './ledger.ts'

const dice = nodePrimitives.random
const sha256 = (...parts: Uint8Array[]) => nodePrimitives.sha256(...parts)

/** Of the provider unless a test says otherwise: it admits example.com. */
const PROVIDER: Provider = {
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
  admits: { anyone: false, domains: ['example.com'], groups: [], users: [] },
  created: 0 as Wall,
}

export class PeopleWorld {
  readonly clock = new TestClock()
  readonly #database = memoryDatabase()
  readonly by = TESTER
  ledger!: StoreLedger
  sessions!: Sessions
  signIns!: SignIns
  tailnet!: Tailnet
  owner!: User

  static async make(): Promise<PeopleWorld> {
    const world = new PeopleWorld()
    world.ledger = await testLedger(world.clock, world.#database)
    world.sessions = new Sessions(world.deps)
    world.signIns = new SignIns(world.deps)
    world.tailnet = await firstTailnet(world.ledger, dice, 'sett.internal')
    world.owner = [...world.state.all('user')][0] as User
    return world
  }

  get deps() {
    return { ledger: this.ledger, dice, sha256 }
  }

  get state(): TailnetState {
    return this.ledger.model.state(this.tailnet.num)
  }

  /** Another server on the same database. */
  async otherServer() {
    const deps = { ...this.deps, ledger: await testLedger(this.clock, this.#database) }
    return { ...deps, signIns: new SignIns(deps), sessions: new Sessions(deps) }
  }

  /** What a browser's own cookie holds. */
  browser(): Secret {
    return new Secret(dice(32).toBase64({ alphabet: 'base64url', omitPadding: true }), 'cookie')
  }

  async #write(...writes: Write[]): Promise<void> {
    await this.ledger.transact(this.tailnet.num, this.by, () => ({ batch: { writes }, result: undefined }))
  }

  async provider(more: Partial<Provider> = {}): Promise<void> {
    const value: Provider = { ...PROVIDER, ...more }
    await this.#write({ kind: 'provider', id: value.id, expect: 'any', value })
  }

  async removeProvider(): Promise<void> {
    await this.#write({ kind: 'provider', id: PROVIDER.id, expect: 'any', value: null })
  }

  async user(loginName: string, role: Role = 'member'): Promise<number> {
    const id = await this.ledger.nextId('user')
    await this.#write(...userWrites(this.state, newUser(id, loginName, role, this.ledger.now())))
    return id
  }

  find(loginName: string): User {
    const user = findUser(this.state, loginName)
    if (user === undefined) throw new Error(`no user ${loginName}`)
    return user
  }

  async change(loginName: string, more: Partial<User>): Promise<void> {
    await this.#write(userWrite(this.state, { ...this.find(loginName), ...more }))
  }

  /** A passkey that somebody has already. */
  async passkey(user: number): Promise<void> {
    const value = { user, publicKey: 'AA', counter: 0, transports: [], name: 'phone', created: this.ledger.now() }
    await this.#write({ kind: 'passkey', id: `passkey-of-${user}`, expect: 'absent', value })
  }

  async settings(more: Partial<Tailnet['settings']>): Promise<void> {
    const { num } = this.tailnet
    await this.ledger.transact(SERVER, this.by, (model) => {
      const tailnet = model.tailnet(num) as Tailnet
      const value = { ...tailnet, settings: { ...tailnet.settings, ...more } }
      return { batch: { writes: [{ kind: 'tailnet', id: String(num), expect: 'any', value }] }, result: undefined }
    })
  }

  /** A link; unless it says whose it is, the owner's, or for `passkey` the newest user's. Returns its id. */
  async ticket(more: Partial<Ticket>): Promise<string> {
    return (await this.link(more)).id
  }

  /** And what its link ends with. */
  async link(more: Partial<Ticket>): Promise<{ readonly id: string; readonly text: string }> {
    const minted = mintTicket(dice, sha256, this.tailnet.num)
    const now = this.ledger.now()
    const newest = [...this.state.all('user')].sort((a, b) => b.id - a.id)[0]
    const purpose = more.purpose ?? 'invite'
    const user = purpose === 'owner' ? this.owner.id : purpose === 'passkey' ? newest?.id : undefined
    await this.#write(
      ticketWrite(minted, {
        purpose,
        ...(user === undefined ? {} : { user }),
        by: '',
        created: now,
        expires: later(now, HOUR_MS),
        ...more,
      }),
    )
    return { id: minted.id, text: minted.text.reveal() }
  }

  async begin(more: Partial<Begin> = {}): Promise<{ readonly state: string; readonly signIn: SignIn }> {
    const ask = { tailnet: this.tailnet.num, provider: PROVIDER.id, browser: this.browser(), next: '/auth', ...more }
    const begun = await this.signIns.begin(ask, this.by)
    if (begun === 'busy') throw new Error('too many logins')
    return { state: begun.state.reveal(), signIn: begun.signIn }
  }

  /** A login from its beginning, given what the provider says. */
  async settle(claims: Claims, more: Partial<Begin> = {}): Promise<Settled> {
    if (this.state.get('provider', PROVIDER.id) === undefined) await this.provider()
    const { signIn } = await this.begin(more)
    return await this.signIns.settle(signIn, claims, this.by)
  }
}
