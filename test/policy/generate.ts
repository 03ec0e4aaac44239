/** Random tailnets, policies and changes, small and full of coincidences: few names, few subnets, much in common. */

import * as fc from 'fast-check'
import { parseIp, prefix, prefixOf } from '../../src/base/ip.ts'
import type { Ip, Prefix } from '../../src/base/ip.ts'
import type { AttributeValue } from '../../src/policy/policy.ts'
import type { PolicyNode, PolicyService, PolicySharee, PolicyTailnet, PolicyUser } from '../../src/policy/tailnet.ts'

export const LOGINS = ['ann@example.com', 'Bob@Example.com', 'cy@example.org', 'dee@github']
export const TAGS = ['tag:a', 'tag:b', 'tag:c']
const ROLES = ['owner', 'admin', 'network-admin', 'it-admin', 'billing-admin', 'auditor', 'member'] as const
/** Nested, overlapping and public ones; IPv4 behind a site; and two that never mean anything. */
const SUBNETS = [
  '10.0.0.0/8',
  '10.33.0.0/16',
  '10.33.1.0/24',
  '192.168.1.0/24',
  '8.8.8.0/24',
  'fd7a:115c:a1e0:b1a:0:7:a21:0/112',
  '2001:db8::/32',
  '100.64.0.0/24',
  '127.0.0.0/8',
].map(prefix)
const EXIT = [prefix('0.0.0.0/0'), prefix('::/0')]
/** Behind those, one each, and addresses that are nowhere. */
export const PLACES = [
  '10.9.9.9',
  '10.33.2.2',
  '10.33.1.1',
  '192.168.1.7',
  '8.8.8.8',
  '9.9.9.9',
  'fd7a:115c:a1e0:b1a:0:7:a21:1',
  '2001:db8::1',
  '2606:4700::1111',
  '100.64.0.77',
  '172.16.0.1',
  'fd00::1',
].map(ip)

export function ip(text: string): Ip {
  const parsed = parseIp(text)
  if (parsed === undefined) throw new TypeError(`Not an address: ${text}`)
  return parsed
}

/** The addresses of the n-th node. Some change where a node comes again. */
export function addressesAt(n: number): { ipv4: Ip; ipv6: Ip } {
  return { ipv4: ip(`100.64.0.${n + 1}`), ipv6: ip(`fd7a:115c:a1e0::${n + 1}`) }
}

const users: fc.Arbitrary<PolicyUser[]> = fc
  .array(fc.constantFrom(...ROLES), { minLength: LOGINS.length, maxLength: LOGINS.length })
  .map((roles) => LOGINS.map((login, i) => ({ id: i + 1, login, role: roles[i] ?? 'member' })))

const routes: fc.Arbitrary<Prefix[]> = fc
  .tuple(
    fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, fc.subarray(SUBNETS, { maxLength: 3 })),
    fc.oneof({ weight: 4, arbitrary: fc.constant([]) }, fc.constant(EXIT)),
  )
  .map(([subnets, exits]) => [...subnets, ...exits])

const attributes: fc.Arbitrary<ReadonlyMap<string, AttributeValue>> = fc
  .record(
    {
      'node:os': fc.constantFrom('linux', 'macos', 'windows'),
      'node:tsVersion': fc.constantFrom('1.30.2', '1.102', '1.102.0-t12ab'),
      'custom:tier': fc.integer({ min: 1, max: 3 }),
      'custom:ok': fc.boolean(),
    },
    { requiredKeys: [] },
  )
  .map((attrs) => new Map(Object.entries(attrs).filter(([, value]) => value !== undefined)))

const tags = fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.subarray(TAGS, { maxLength: 2 }))

/** What a node is, apart from its slot and number. */
export interface NodeDraft {
  readonly owner: number
  readonly tags: readonly string[]
  readonly routes: readonly Prefix[]
  readonly online: boolean
  readonly attributes: ReadonlyMap<string, AttributeValue>
  readonly readsSourceNames: boolean
}
const draft: fc.Arbitrary<NodeDraft> = fc.record({
  owner: fc.nat({ max: LOGINS.length - 1 }),
  tags,
  routes,
  online: fc.boolean(),
  attributes,
  readsSourceNames: fc.oneof({ weight: 3, arbitrary: fc.constant(true) }, fc.constant(false)),
})

export function nodeFrom(drafted: NodeDraft, slot: number, id: number, owners: readonly PolicyUser[]): PolicyNode {
  const { owner, ...rest } = drafted
  return { ...rest, slot, id, user: owners[owner] as PolicyUser, ...addressesAt(slot) }
}

export const SERVICES = ['svc:web', 'svc:db']
/** Behind whatever hosts them. */
const VIPS = SERVICES.map((_, i) => addressesAt(200 + i))
/** Whom the policy may name, and who is in no tailnet of ours. */
export const OUTSIDERS = ['gone@example.com', 'Out@Other.com']
/** Slots from here on are those of devices of others. */
export const FIRST_OUTSIDE = 40

/** Hosts and shared nodes by their place among the nodes; some places are nobody's. */
interface BeyondDraft {
  readonly services: readonly Omit<PolicyService, 'name' | 'ipv4' | 'ipv6'>[]
  readonly sharees: readonly { readonly devices: number; readonly shares: PolicySharee['shares'] }[]
}
const beyond: fc.Arbitrary<BeyondDraft> = fc.record({
  services: fc.array(
    fc.record({
      tags: fc.subarray(TAGS, { maxLength: 2 }),
      ports: fc.constantFrom<PolicyService['ports'][]>(
        [{ first: 22, last: 22 }],
        [
          { first: 80, last: 80 },
          { first: 400, last: 500 },
        ],
        'do-not-validate',
      ),
      hosts: fc.subarray([0, 1, 2, 3], { maxLength: 3 }),
    }),
    { maxLength: SERVICES.length },
  ),
  sharees: fc.array(
    fc.record({
      devices: fc.integer({ min: 1, max: 2 }),
      shares: fc.array(fc.record({ node: fc.nat({ max: 3 }), exitNode: fc.boolean() }), { minLength: 1, maxLength: 2 }),
    }),
    { maxLength: OUTSIDERS.length },
  ),
})

function beyondFrom({ services, sharees }: BeyondDraft, nodes: readonly PolicyNode[]): Partial<PolicyTailnet> {
  const idAt = (place: number): number => nodes[place]?.id ?? -1
  return {
    services: services.map(({ hosts, ...rest }, i) => ({
      ...rest,
      name: SERVICES[i] as string,
      ...(VIPS[i] as { ipv4: Ip; ipv6: Ip }),
      hosts: hosts.map(idAt),
    })),
    sharees: sharees.map(({ devices, shares }, i) => {
      const login = OUTSIDERS[i] as string
      return {
        login,
        shares: shares.map(({ node, exitNode }) => ({ node: idAt(node), exitNode })),
        devices: Array.from({ length: devices }, (_, n): PolicyNode => {
          const slot = FIRST_OUTSIDE + i * 2 + n
          return {
            slot,
            id: 900_000 + slot,
            user: { id: 1000 + i, login, role: 'member' },
            tags: [],
            routes: [],
            online: true,
            attributes: new Map(),
            ...addressesAt(180 + slot),
          }
        }),
      }
    }),
  }
}

/** Slots have gaps, and numbers don't follow them: slots are given again. */
export function tailnets(most: number): fc.Arbitrary<PolicyTailnet> {
  return fc
    .tuple(users, fc.array(draft, { minLength: 1, maxLength: most }), beyond, fc.infiniteStream(fc.nat({ max: 999 })))
    .map(([people, drafts, drafted, ids]) => {
      const nodes = drafts.map((d, i) =>
        nodeFrom(d, i + (i > 1 ? 1 : 0), (ids.next().value as number) * 100 + i, people),
      )
      return { users: people, nodes, ...beyondFrom(drafted, nodes) }
    })
}

/** One thing that happens to the node at a slot; where none is, one joins. */
export type Change =
  | { readonly kind: 'put'; readonly slot: number; readonly draft: NodeDraft }
  | { readonly kind: 'leave'; readonly slot: number }
  | { readonly kind: 'retag'; readonly slot: number; readonly tags: readonly string[] }
  | { readonly kind: 'reroute'; readonly slot: number; readonly routes: readonly Prefix[] }
  | { readonly kind: 'attributes'; readonly slot: number; readonly attributes: NodeDraft['attributes'] }
  | { readonly kind: 'owner'; readonly slot: number; readonly owner: number }
  | { readonly kind: 'user'; readonly slot: number; readonly role: PolicyUser['role']; readonly login: string }
  | { readonly kind: 'move'; readonly slot: number; readonly to: number }
  | { readonly kind: 'online'; readonly slot: number }
  | { readonly kind: 'reads'; readonly slot: number }

export function changes(slots: number, most: number): fc.Arbitrary<Change[]> {
  const slot = fc.nat({ max: slots })
  const of = (kind: Change['kind'], more: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<Change> =>
    fc.record({ kind: fc.constant(kind), slot, ...more }).map((change) => change as unknown as Change)
  return fc.array(
    fc.oneof(
      { weight: 3, arbitrary: of('put', { draft }) },
      { weight: 2, arbitrary: of('leave', {}) },
      { weight: 2, arbitrary: of('retag', { tags }) },
      { weight: 2, arbitrary: of('reroute', { routes }) },
      { weight: 2, arbitrary: of('attributes', { attributes }) },
      of('owner', { owner: fc.nat({ max: LOGINS.length - 1 }) }),
      of('user', { role: fc.constantFrom(...ROLES), login: fc.constantFrom(...LOGINS, 'new@example.com') }),
      of('move', { to: fc.nat({ max: 1 }) }),
      of('online', {}),
      of('reads', {}),
    ),
    { minLength: 1, maxLength: most },
  )
}

/** A tailnet that changes happen to. */
export class Story {
  users: readonly PolicyUser[]
  readonly nodes = new Map<number, PolicyNode>()
  readonly #beyond: Pick<PolicyTailnet, 'services' | 'sharees'>
  #joined = 0

  constructor({ users, nodes, services, sharees }: PolicyTailnet) {
    this.users = users
    this.#beyond = { services, sharees }
    for (const node of nodes) this.nodes.set(node.slot, node)
  }

  get tailnet(): PolicyTailnet {
    return { ...this.#beyond, users: this.users, nodes: [...this.nodes.values()] }
  }

  /** Returns the slots at which something has changed: of one node, or of all that a person has. */
  apply(change: Change): number[] {
    const before = this.nodes.get(change.slot)
    if (change.kind === 'user' && before !== undefined) return this.#changeUser(before.user, change)
    const after = this.#after(change, before)
    if (after === undefined) this.nodes.delete(change.slot)
    else this.nodes.set(change.slot, after)
    return [change.slot]
  }

  #after(change: Change, before: PolicyNode | undefined): PolicyNode | undefined {
    if (change.kind === 'put')
      return nodeFrom(change.draft, change.slot, before?.id ?? 200_000 + this.#joined++, this.users)
    if (before === undefined || change.kind === 'leave') return undefined
    switch (change.kind) {
      case 'retag':
        return { ...before, tags: change.tags }
      case 'reroute':
        return { ...before, routes: change.routes }
      case 'attributes':
        return { ...before, attributes: change.attributes }
      case 'owner':
        return { ...before, user: this.users[change.owner] as PolicyUser }
      case 'move':
        return { ...before, ...addressesAt(100 + change.slot * 2 + change.to) }
      case 'reads':
        return { ...before, readsSourceNames: before.readsSourceNames !== true }
      default:
        return { ...before, online: !before.online }
    }
  }

  #changeUser({ id }: PolicyUser, { role, login }: Pick<PolicyUser, 'role' | 'login'>): number[] {
    const user = { id, role, login: this.users.some((other) => other.login === login) ? `${id}${login}` : login }
    this.users = this.users.map((old) => (old.id === id ? user : old))
    const theirs = [...this.nodes.values()].filter((node) => node.user.id === id)
    for (const node of theirs) this.nodes.set(node.slot, { ...node, user })
    return theirs.map(({ slot }) => slot)
  }
}

/** Own addresses of some nodes, the subnets, and wider and narrower ones: what a policy writes as addresses. */
export const WRITTEN: readonly Prefix[] = [
  ...SUBNETS,
  ...[0, 1, 3].map((n) => prefixOf(addressesAt(n).ipv4)),
  ...[0, 2].map((n) => prefixOf(addressesAt(n).ipv6)),
  ...[200, 180 + FIRST_OUTSIDE].map((n) => prefixOf(addressesAt(n).ipv4)),
  ...['100.64.0.0/12', '10.33.1.1/32', '8.0.0.0/7', 'fd7a:115c:a1e0::/64', '172.16.0.0/12', '10.33.2.2/16'].map(prefix),
]
