/**
 * Two tailnets behind one REST API, in memory: the same people, roles and devices in each, and a token for everybody.
 *
 * Every answer is held against its route's schema: a member too many is found as surely as one too few.
 */

import assert from 'node:assert/strict'
import { DAY_MS } from '../../src/base/clock.ts'
import type { Wall } from '../../src/base/clock.ts'
import { machineKeyOf, nodeKeyOf } from '../../src/base/keys.ts'
import type { StoreLedger } from '../../src/coord/ledger.ts'
import { drawAddresses } from '../../src/coord/model/addressing.ts'
import { randomStableId } from '../../src/coord/model/credentials.ts'
import { freeName, labelFor } from '../../src/coord/model/naming.ts'
import { createNode } from '../../src/coord/model/node-changes.ts'
import { ROLES } from '../../src/coord/model/records.ts'
import type { Node, Role, TailnetNum } from '../../src/coord/model/records.ts'
import { createRest } from '../../src/coord/rest/rest.ts'
import type { Identity, Rest, RestOptions, Seen } from '../../src/coord/rest/rest.ts'
import { matchRoute } from '../../src/coord/rest/match.ts'
import { nodePrimitives } from '../../src/crypto/io/node-primitives.ts'
import { Problem } from '../../src/wire/api/objects.ts'
import type { Key } from '../../src/wire/api/objects.ts'
import type { RouteShape } from '../../src/wire/api/route.ts'
import { routes } from '../../src/wire/api/routes.ts'
import { memoryDatabase, TestClock, TESTER, testLedger } from './ledger.ts'

export const SERVER_IDENTITY: Identity = { kind: 'server', account: { uid: 0, name: 'root', host: 'sett' } }

export interface Asking {
  /** A token's text. Neither this nor `server`: no credential at all. */
  readonly token?: string | undefined
  readonly server?: true
  readonly body?: unknown
  readonly headers?: Record<string, string>
}

export interface Told {
  readonly status: number
  readonly body: any
  readonly text: string
  readonly headers: Headers
}

export interface TailnetUnderTest {
  readonly num: TailnetNum
  readonly id: string
  readonly name: string
  /** Tokens by role, each of a user of that role who is called like it. */
  readonly tokens: Readonly<Record<Role, string>>
  readonly userIds: Readonly<Record<Role, string>>
  /** Of the owner, offers routes. */
  laptop: Node
  /** Tagged `tag:office`. */
  printer: Node
}

export class RestWorld {
  readonly clock = new TestClock()
  readonly online = new Set<number>()
  readonly seen: Seen[] = []
  readonly errors: unknown[] = []
  ledger!: StoreLedger
  rest!: Rest
  alpha!: TailnetUnderTest
  beta!: TailnetUnderTest

  static async make(): Promise<RestWorld> {
    const world = new RestWorld()
    world.ledger = await testLedger(world.clock, world.database)
    world.rest = world.restOn(world.ledger)
    world.alpha = await world.#tailnet('alpha')
    world.beta = await world.#tailnet('beta')
    return world
  }

  readonly database = memoryDatabase()

  /** Another server on the same database, or one with a ledger that misbehaves. */
  restOn(ledger: StoreLedger, more: Pick<RestOptions, 'pause' | 'policies' | 'federation' | 'mayTry'> = {}): Rest {
    return createRest({
      ...more,
      ledger,
      dice: nodePrimitives.random,
      primitives: nodePrimitives,
      config: {
        version: '0.0.0',
        url: 'https://sett.test',
        started: this.clock.wall(),
        tailnetDomain: 'sett.internal',
      },
      live: {
        isOnline: (_, node) => this.online.has(node),
        ping: (_, node) =>
          Promise.resolve(
            this.online.has(node.id) ? { outcome: 'answered', latencyMs: 1 } : { outcome: 'not-connected' },
          ),
        regionName: (region) => (region === 900 ? 'Here' : undefined),
      },
      seal: (text, place) => `sealed ${place} ${btoa(text)}`,
      onRequest: (seen) => this.seen.push(seen),
      onError: (error) => this.errors.push(error),
    })
  }

  /** @param path Below `/api/v2`, as it stands in the URL. */
  async ask(method: string, path: string, asking: Asking = {}, rest = this.rest): Promise<Told> {
    const { token, server, body } = asking
    const headers = new Headers(asking.headers)
    if (token !== undefined) headers.set('authorization', `Bearer ${token}`)
    const request = new Request(`http://sett.test/api/v2${path}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const response = await rest.fetch(request, server === true ? SERVER_IDENTITY : undefined)
    const text = await response.text()
    const told = {
      status: response.status,
      text,
      body: response.headers.get('content-type') === 'application/json' ? JSON.parse(text) : undefined,
      headers: response.headers,
    }
    checkReply(method, new URL(request.url).pathname, told)
    return told
  }

  /** Asks, and wants it to be done. */
  async get(path: string, asking: Asking = { server: true }): Promise<any> {
    return this.#done('GET', path, asking)
  }
  async post(path: string, body?: unknown, asking: Asking = { server: true }): Promise<any> {
    return this.#done('POST', path, { ...asking, body })
  }

  async #done(method: string, path: string, asking: Asking) {
    const told = await this.ask(method, path, asking)
    assert.equal(told.status, 200, `${method} ${path}: ${told.text}`)
    return told.body
  }

  async token(tailnet: string, more: Record<string, unknown> = {}): Promise<string> {
    return ((await this.post(`/sett/tailnet/${tailnet}/tokens`, more)) as Key).key as string
  }

  async #tailnet(name: string): Promise<TailnetUnderTest> {
    const { id } = await this.post('/sett/tailnets', { name })
    const num = this.ledger.model.tailnetNamed(id)?.num as TailnetNum
    const tokens = {} as Record<Role, string>
    const userIds = {} as Record<Role, string>
    for (const role of ROLES) {
      const user = await this.post(`/sett/tailnet/${name}/users`, { loginName: role, role })
      userIds[role] = user.id
      tokens[role] = await this.token(name, { user: role })
    }
    const owner = Number(userIds.owner)
    const laptop = await this.join(num, owner, 'laptop', {
      hostinfo: { Hostname: 'laptop', RoutableIPs: ['10.0.0.0/8'] },
    })
    const printer = await this.join(num, owner, 'printer', { tags: ['tag:office'] })
    return { num, id, name, tokens, userIds, laptop, printer }
  }

  /** A device joins, as the control protocol would have it. */
  async join(num: TailnetNum, user: number, hostname: string, more: Partial<Node> = {}): Promise<Node> {
    const id = await this.ledger.nextId('node')
    return this.ledger.transact(num, TESTER, (model, now: Wall) => {
      const state = model.state(num)
      const node: Node = {
        id,
        stableId: randomStableId(nodePrimitives.random, 'n'),
        machineKey: machineKeyOf(nodePrimitives.random(32)),
        nodeKey: nodeKeyOf(nodePrimitives.random(32)),
        user,
        tags: [],
        name: freeName(state, labelFor(hostname)),
        named: false,
        ...drawAddresses(state, nodePrimitives.random, now),
        created: now,
        loggedIn: now,
        ...(more.keyExpiryDisabled === true ? {} : { keyExpiry: (now + 180 * DAY_MS) as Wall }),
        keyExpiryDisabled: false,
        authorized: true,
        ephemeral: false,
        cap: 113,
        hostinfo: { Hostname: hostname, OS: 'linux', IPNVersion: '1.98.2-t0-g0' },
        endpoints: ['192.0.2.1:41641'],
        homeDerp: 900,
        approvedRoutes: [],
        ...more,
      }
      return { batch: createNode(state, node, now), result: node }
    })
  }

  node(num: TailnetNum, id: number): Node | undefined {
    return this.ledger.model.state(num).node(id)
  }
}

/**
 * Errors are `{message}`, beside it what is wrong with a policy or RFC 6749's words, and nothing else; the rest is what the
 * route says, to the member.
 */
function checkReply(method: string, path: string, { status, body, text }: Told): void {
  if (status >= 400) {
    assert.deepEqual(body, Problem.strict().parse(body), text)
    assert.ok(status === 400 || path.includes('/oauth/') || Object.keys(body).length === 1, text)
    return
  }
  const match = matchRoute(method, path)
  assert.equal(match.kind, 'route')
  if (match.kind !== 'route') return
  const { reply, gives }: RouteShape = routes[match.id]
  // A text, or plain JSON in no shape of ours.
  if (gives !== undefined && status === 200) return
  if (reply === undefined) assert.equal(text, '')
  else assert.deepEqual(body, reply.parse(body))
}
