/**
 * Puts a capture's tailnet on a server of ours, submits its policy there as an administrator would, and asks every
 * node's map as a client would: API in, map messages out, and between them whatever the server does.
 */

import { discoKeyOf } from '../../src/base/keys.ts'
import { createNode } from '../../src/coord/model/node-changes.ts'
import { DEFAULT_SETTINGS, SERVER } from '../../src/coord/model/records.ts'
import type { Node, Tailnet, User } from '../../src/coord/model/records.ts'
import { newUser, userWrites } from '../../src/coord/model/people.ts'
import { createRest } from '../../src/coord/rest/rest.ts'
import { MemoryDatabase, MemoryStore } from '../../src/coord/store/memory.ts'
import { nodePrimitives } from '../../src/crypto/io/node-primitives.ts'
import { memoryDatabase, TestClock, TESTER, testLedger } from '../support/ledger.ts'
import { peersAfter } from '../support/peers.ts'
import { START, World } from '../support/world.ts'
import type { Machine } from '../support/world.ts'
import { apiOf } from '../support/world-api.ts'
import type { Capture, CaptureNode, Profile, Shown, ShownDns, ShownNode, WireRule } from './capture.ts'
import { grantedTo } from './granted.ts'
import { SERVER_IDENTITY } from '../support/rest-world.ts'

export interface Outcome {
  /** The policy was not taken. */
  readonly refused?: { readonly status: number; readonly message: string }
  /** What the clients show afterwards, by name of the node. */
  readonly nodes: ReadonlyMap<string, Shown>
}

/** What was in force in the recorded tailnets before each policy, and stayed where one was refused. */
const POLICY_BEFORE = '{"acls": [{"action": "accept", "src": ["*"], "dst": ["*:*"]}]}'

const NUM = 1

/** What comes of a capture's policy on a server of ours. */
export async function observe(capture: Capture): Promise<Outcome> {
  const database = memoryDatabase()
  const users = await found(capture, database)
  const world = await World.start({ store: new MemoryStore(database), expandedRules: true })
  const machines = new Map<string, Machine>()
  for (const node of capture.nodes) machines.set(node.name, await join(world, node, users))
  const { nameservers, splitDNS, searchPaths, magicDNS } = capture.dns
  const servers = (list: readonly string[]) => list.map((address) => ({ address }))
  await apiOf(world)('POST', '/tailnet/-/dns/configuration', {
    nameservers: servers(nameservers),
    splitDNS: Object.fromEntries(Object.entries(splitDNS).map(([domain, list]) => [domain, servers(list)])),
    searchPaths,
    preferences: { magicDNS },
  })
  const before = await submit(world, POLICY_BEFORE)
  if (before !== undefined) throw new Error(`Cannot submit the policy before: ${before.status} ${before.message}`)
  const refused = await submit(world, capture.policy)
  // Routes are offered only now, since that is when a policy approves them. (policy.md §10)
  for (const { name, offered } of capture.nodes) {
    const machine = machines.get(name) as Machine
    if (offered.length === 0) continue
    machine.hostinfo = { ...machine.hostinfo, RoutableIPs: offered }
    await machine.lite()
  }
  const nodes = new Map<string, Shown>()
  for (const [name, machine] of machines) nodes.set(name, await ask(machine))
  world.coord.close()
  return refused === undefined ? { nodes } : { refused, nodes }
}

/**
 * The tailnet and its people, as records of the store. Recordings do not say who has which role, but every client
 * of a person's shows its user to be an administrator and the first one's also to be the owner: the first user owns
 * the tailnet, and the others are its administrators.
 */
async function found(capture: Capture, database: MemoryDatabase): Promise<Map<string, User>> {
  const ledger = await testLedger(new TestClock(new Date(START).toISOString()), database)
  const users = new Map<string, User>()
  const { tailnet, domain, autoUpdates } = capture
  await ledger.transact(SERVER, TESTER, (_, created) => {
    const settings = { ...DEFAULT_SETTINGS, devicesAutoUpdatesOn: autoUpdates }
    const value: Tailnet = { num: NUM, stableId: 'TgoldenCNTRL', name: tailnet, domain, created, settings }
    return { batch: { writes: [{ kind: 'tailnet', id: String(NUM), expect: 'absent', value }] }, result: undefined }
  })
  for (const { name, login } of capture.users) {
    const id = await ledger.nextId('user')
    await ledger.transact(NUM, TESTER, (model, now) => {
      const user = newUser(id, login, users.size === 0 ? 'owner' : 'admin', now)
      users.set(name, user)
      return { batch: { writes: userWrites(model.state(NUM), user) }, result: undefined }
    })
  }
  ledger.close()
  return users
}

/** A machine joins: its owner's, or a tagged one, which the tailnet's owner registers. It is online from then on. */
async function join(world: World, node: CaptureNode, users: ReadonlyMap<string, User>): Promise<Machine> {
  const machine = world.machine(node.name)
  const owner = (node.user === undefined ? undefined : users.get(node.user)) ?? [...users.values()][0]
  if (owner === undefined) throw new Error('Cannot build tailnet: it has no users')
  const id = await world.coord.ledger.nextId('node')
  await world.coord.ledger.transact(NUM, TESTER, (model, now) => {
    const record: Node = {
      id,
      stableId: `n${id}CNTRL`,
      machineKey: machine.machineKey,
      nodeKey: machine.nodeKey,
      discoKey: discoKeyOf(nodePrimitives.random(32)),
      user: owner.id,
      tags: [...node.tags].sort(),
      name: node.name,
      named: true,
      ipv4: node.ipv4,
      ipv6: node.ipv6,
      created: now,
      loggedIn: now,
      keyExpiryDisabled: true,
      authorized: true,
      ephemeral: false,
      cap: machine.version,
      hostinfo: machine.hostinfo,
      endpoints: machine.endpoints,
      homeDerp: 900,
      approvedRoutes: node.approved,
    }
    const { writes, claims } = createNode(model.state(NUM), record, now)
    const presence = { node: id, online: true, lastSeen: now, server: 'one' }
    return {
      batch: { writes: [...writes, { kind: 'presence', id: String(id), expect: 'absent', value: presence }], claims },
      result: undefined,
    }
  })
  return machine
}

/** Saves a policy through the API; says why not, if it is refused. */
async function submit(world: World, policy: string): Promise<Outcome['refused']> {
  const failures: unknown[] = []
  const rest = createRest({
    ledger: world.coord.ledger,
    dice: nodePrimitives.random,
    primitives: nodePrimitives,
    config: { version: '0.0.0', url: 'https://sett.test', started: START, tailnetDomain: 'sett.internal' },
    live: {
      isOnline: () => true,
      ping: () => Promise.resolve({ outcome: 'not-connected' }),
      regionName: () => undefined,
    },
    onError: (error) => failures.push(error),
  })
  const request = new Request('http://sett.test/api/v2/tailnet/-/acl', {
    method: 'POST',
    headers: { 'content-type': 'application/hujson' },
    body: policy,
  })
  const response = await rest.fetch(request, SERVER_IDENTITY)
  const text = await response.text()
  if (failures.length > 0) throw failures[0]
  await world.settle()
  if (response.status === 200) return undefined
  return { status: response.status, message: (JSON.parse(text) as { message: string }).message }
}

/** Map messages with what a policy decides, all of which may be left out. */
interface PolicyMessage {
  readonly Node?: ShownNode
  readonly PacketFilters?: Readonly<Record<string, readonly WireRule[] | null>>
  readonly SSHPolicy?: Shown['ssh_policy']
  readonly UserProfiles?: readonly Profile[]
  readonly DNSConfig?: ShownDns
}

/** The whole map that a client gets, as a client shows it. */
async function ask(machine: Machine): Promise<Shown> {
  const answer = await machine.map({ Stream: false, ReadOnly: true })
  const messages = answer.messages as unknown as readonly PolicyMessage[]
  const first = messages[0]
  if (first?.Node === undefined) throw new Error(`Cannot ask for map: ${answer.status} ${answer.body}`)
  // Clients put the named filters one after another, in order of their names.
  const rules = Object.entries(first.PacketFilters ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([, filter]) => filter ?? [])
  const peers: readonly ShownNode[] = [...peersAfter(answer.messages).values()]
  const ssh = first.SSHPolicy?.rules ?? []
  return {
    packet_filter_rules: rules,
    self: first.Node,
    peers,
    user_profiles: Object.fromEntries(
      messages.flatMap(({ UserProfiles = [] }) => UserProfiles).map((profile) => [profile.ID, profile]),
    ),
    ssh_policy: { rules: ssh },
    ssh_rules: ssh,
    dns: first.DNSConfig ?? {},
    peer_caps: grantedTo(first.Node, peers, rules),
  }
}
