/**
 * The endpoints that clients call over Noise: who is asking is checked first, then the request goes to the stage
 * that answers it. (control.md §4, §5, §11.1)
 */

import type { Dice } from '../base/bytes.ts'
import type { Mono, Wall } from '../base/clock.ts'
import { MeshError } from '../base/errors.ts'
import { readObject } from '../base/go-json.ts'
import { readNodeKey } from '../base/keys.ts'
import type { MachineKey } from '../base/keys.ts'
import { readMapRequest } from '../wire/map-request.ts'
import { readRegisterRequest, REQUEST_MAX } from '../wire/register.ts'
import type { RegisterRequest, RegisterResponse } from '../wire/register.ts'
import { JSON_TYPE, PLAIN } from './control.ts'
import type { ControlHandler, ControlReply, ControlRequest } from './control.ts'
import type { Enroll, Outcome } from './enroll/enroll.ts'
import { reported, sameNode } from './enroll/host.ts'
import type { Permits } from './enroll/permits.ts'
import type { Maps } from './maps.ts'
import { byNode } from './model/actors.ts'
import type { Ledger } from './model/ledger.ts'
import type { Located } from './model/model.ts'
import { fqdn } from './model/naming.ts'
import { updateNode } from './model/node-changes.ts'
import { profileOf, TAGGED_DEVICES } from './netmap/node-json.ts'
import type { Pings } from './pings.ts'
import type { SshChecks } from './ssh-checks.ts'
import { Waiters } from './waiters.ts'

/** Clients below 1.80 are told to update. (control.md §5.8) */
export const OLDEST_VERSION = 113
/** Registrations being worked on at one time; more are asked to come back. */
const REGISTRATIONS_MAX = 512

const TOO_OLD =
  'This client is too old for this server: it needs version 1.80 or newer. Update Tailscale on this machine and try again.'

/** Optional endpoints that this server does not offer; clients then do without. */
const NOT_OFFERED = new Set([
  '/machine/feature/query',
  '/machine/id-token',
  '/machine/set-device-attr',
  '/machine/audit-log',
  '/machine/update-health',
])

export interface MachineOptions {
  readonly ledger: Ledger
  readonly enroll: Enroll
  readonly permits: Permits
  readonly maps: Maps
  readonly pings: Pings
  readonly sshChecks: SshChecks
  readonly dice: Dice
  /** The link a user opens for a login code. */
  readonly loginUrl: (code: string) => string
  readonly failed: (path: string, error: unknown) => void
  readonly joined: () => void
}

export class Machine {
  readonly #options: MachineOptions
  readonly #waiters = new Waiters()
  #registering = 0

  constructor(options: MachineOptions) {
    this.#options = options
  }

  readonly handle: ControlHandler = (request, reply) => {
    this.#answer(request, reply).catch((error: unknown) => this.#refuse(request, reply, error))
  }

  async #answer(request: ControlRequest, reply: ControlReply): Promise<void> {
    const { path } = request
    if (path === '/machine/register') return await this.#register(request, reply)
    if (path === '/machine/map') return await this.#map(request, reply)
    if (path.startsWith('/machine/ping-response/')) return this.#pong(request, reply)
    if (path.startsWith('/machine/ssh/action/')) return await this.#options.sshChecks.answer(request, reply)
    return this.#other(request, reply)
  }

  /** A login has been decided, or is gone: whoever waits for it asks again. */
  decided(code: string): void {
    this.#waiters.wake(code)
  }

  /** Logins that nobody decided in time: their clients get a new link. */
  expire(now: Wall): void {
    this.#waiters.expire(now)
  }

  /** When the first login that somebody waits for expires. */
  deadline(wall: Wall, now: Mono): Mono {
    return this.#waiters.deadline(wall, now)
  }

  #refuse(request: ControlRequest, reply: ControlReply, error: unknown): void {
    if (error instanceof MeshError && error.code === 'json/malformed') return reply.answer(400, error.message, PLAIN)
    this.#options.failed(request.path, error)
    reply.answer(500, 'the server could not do this now; try again', PLAIN)
  }

  async #register(request: ControlRequest, reply: ControlReply): Promise<void> {
    if (request.method !== 'POST') return reply.answer(405, 'use POST', PLAIN)
    const register = readRegisterRequest(request.body)
    if (register.version < OLDEST_VERSION) return answer(reply, { Error: TOO_OLD })
    if (!readNodeKey(register.nodeKey)) return reply.answer(400, 'cannot register: NodeKey is missing', PLAIN)
    if (this.#registering >= REGISTRATIONS_MAX) return this.#comeBack(reply)
    this.#registering++
    try {
      await this.#decide(request, register, reply)
    } finally {
      this.#registering--
    }
  }

  async #decide(request: ControlRequest, register: RegisterRequest, reply: ControlReply): Promise<void> {
    const { machineKey, from } = request
    const outcome = await this.#options.enroll.register({ machineKey, request: register, from })
    switch (outcome.kind) {
      case 'foreign':
        return reply.answer(401, 'this node key belongs to another machine', PLAIN)
      case 'busy':
        return this.#comeBack(reply)
      case 'wait':
        return this.#wait(request, register, reply, outcome)
      case 'joined':
        this.#options.joined()
        return answer(reply, joinedResponse(outcome))
      case 'log-in':
        return answer(reply, { AuthURL: this.#options.loginUrl(outcome.code) })
      case 'key-expired':
        return answer(reply, { NodeKeyExpired: true })
      case 'refused':
        return answer(reply, { Error: outcome.why })
      default:
        return answer(reply, {})
    }
  }

  /** Holds a request until its login is decided or has expired, and then decides it anew. */
  #wait(
    request: ControlRequest,
    register: RegisterRequest,
    reply: ControlReply,
    { code, until }: Extract<Outcome, { kind: 'wait' }>,
  ): void {
    const again = (): void => {
      this.#decide(request, register, reply).catch((error: unknown) => this.#refuse(request, reply, error))
    }
    this.#waiters.hold(code, until, reply, again)
    // It may have been decided while this request was on its way here.
    if (this.#options.ledger.model.login(code)?.outcome !== undefined) this.#waiters.wake(code)
  }

  #comeBack(reply: ControlReply): void {
    const seconds = 2 + ((this.#options.dice(1)[0] as number) & 7)
    reply.answer(429, 'too many machines are registering; try again', [...PLAIN, ['retry-after', String(seconds)]])
  }

  async #map(request: ControlRequest, reply: ControlReply): Promise<void> {
    if (request.method !== 'POST') return reply.answer(405, 'use POST', PLAIN)
    const asked = readMapRequest(request.body)
    if (asked.version < OLDEST_VERSION) return reply.answer(400, TOO_OLD, PLAIN)
    const found = this.#locate(asked.nodeKey, request.machineKey)
    if (typeof found === 'number') return refuseNode(reply, found)
    let gone = false
    reply.onClose(() => (gone = true))
    const { maps, ledger, permits } = this.#options
    const tailnet = found.tailnet.num
    if (asked.stream || (asked.omitPeers && !asked.readOnly)) {
      const still = await ledger.transact(tailnet, byNode(found.node, request.from), (model, now) => {
        const state = model.state(tailnet)
        const before = state.node(found.node.id)
        // Superseded while it was on its way: the client sends it again.
        if (before === undefined || before.nodeKey !== asked.nodeKey || (gone && !asked.stream))
          return { result: before !== undefined }
        const after = permits.withApprovedRoutes(state, before, reported(state, before, asked, now))
        const online = asked.stream ? maps.onlineWrite(tailnet, before.id) : []
        if (sameNode(before, after))
          return { ...(online.length > 0 ? { batch: { writes: online } } : {}), result: true }
        const { writes, claims } = updateNode(state, before, after, now)
        return { batch: { writes: [...writes, ...online], claims }, result: true }
      })
      if (!still) return refuseNode(reply, 404)
    }
    if (!asked.stream) {
      if (asked.omitPeers && !asked.readOnly) return reply.answer(200)
      reply.start()
      for (const message of maps.oneShot(tailnet, found.node.id, !asked.omitPeers)) reply.write(message)
      return reply.end()
    }
    if (gone) return
    reply.start()
    const stream = maps.openStream(tailnet, found.node.id, reply)
    reply.onDrain(() => maps.drained(stream))
    reply.onClose(() => maps.closed(stream))
  }

  /** The node of this key, if it is this machine's; else the status to refuse with. */
  #locate(nodeKey: string, machineKey: MachineKey): Located | 401 | 404 {
    const key = readNodeKey(nodeKey)
    const found = key === undefined ? undefined : this.#options.ledger.model.nodeByKey(key)
    if (found === undefined) return 404
    return found.node.machineKey === machineKey ? found : 401
  }

  #pong(request: ControlRequest, reply: ControlReply): void {
    const id = request.path.slice('/machine/ping-response/'.length)
    const known = this.#options.pings.answered(id, request.machineKey, request.body)
    reply.answer(known ? 204 : 404)
  }

  #other(request: ControlRequest, reply: ControlReply): void {
    if (request.path === '/machine/whoami') return reply.answer(200, `${request.machineKey}\n`, PLAIN)
    if (request.path === '/machine/set-dns') return this.#setDns(request, reply)
    if (NOT_OFFERED.has(request.path) || request.path.startsWith('/machine/tka/'))
      return reply.answer(501, 'this server does not offer that', PLAIN)
    reply.answer(404, 'not found', PLAIN)
  }

  /** A node may only ask for its own name; and then this server publishes no records yet all the same. */
  #setDns(request: ControlRequest, reply: ControlReply): void {
    const fields = readObject(request.body, { what: 'SetDNSRequest', maxLength: REQUEST_MAX })
    const found = this.#locate(fields.text('NodeKey'), request.machineKey)
    if (typeof found === 'number') return refuseNode(reply, found)
    const tailnet = this.#options.ledger.model.tailnet(found.tailnet.num)
    const own = tailnet === undefined ? '' : `_acme-challenge.${fqdn(tailnet, found.node)}`
    if (`${fields.text('Name').replace(/\.$/, '')}.` !== own || fields.text('Type') !== 'TXT')
      return reply.answer(403, 'a node may only set the ACME challenge of its own name', PLAIN)
    reply.answer(501, 'this server does not publish DNS records, so it cannot help with certificates', PLAIN)
  }
}

function refuseNode(reply: ControlReply, status: 401 | 404): void {
  reply.answer(status, status === 401 ? 'this node key belongs to another machine' : 'node not found', PLAIN)
}

function answer(reply: ControlReply, response: RegisterResponse): void {
  reply.answer(200, JSON.stringify(response), JSON_TYPE)
}

function joinedResponse({ node, user }: Extract<Outcome, { kind: 'joined' }>): RegisterResponse {
  const tagged = profileOf(node) === TAGGED_DEVICES.ID
  const id = tagged ? TAGGED_DEVICES.ID : node.user
  const displayName = tagged ? TAGGED_DEVICES.DisplayName : (user?.displayName ?? '')
  return {
    User: { ID: id, DisplayName: displayName },
    Login: {
      ID: id,
      Provider: 'sett',
      LoginName: tagged ? TAGGED_DEVICES.LoginName : (user?.loginName ?? ''),
      DisplayName: displayName,
      ...(!tagged && user?.profilePicUrl ? { ProfilePicURL: user.profilePicUrl } : {}),
    },
    MachineAuthorized: node.authorized,
  }
}
