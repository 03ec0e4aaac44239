/** Random checked policies: every kind of selector where it is legal (policy.md §3.2), over the names of generate.ts. */

import * as fc from 'fast-check'
import { formatPrefix } from '../../src/base/ip.ts'
import type {
  AccessRule,
  Assertion,
  Autogroup,
  Destination,
  IpSetStep,
  NodeAttrs,
  Policy,
  Selector,
  SshRule,
  SshUser,
  Traffic,
} from '../../src/policy/policy.ts'
import { LOGINS, OUTSIDERS, SERVICES, TAGS, WRITTEN } from './generate.ts'

const at = { line: 1, column: 1 }
type Of<K extends Selector['kind']> = Extract<Selector, { kind: K }>
type Bare<T> = T extends unknown ? Omit<T, 'text' | 'at'> : never

/** A selector, with the text that a policy would have for it. */
export function selector<K extends Selector['kind']>(bare: Bare<Of<K>>): Selector {
  const whole = { ...bare, at, text: '' } as Selector
  return { ...whole, text: textOf(whole) }
}

function textOf(s: Selector): string {
  switch (s.kind) {
    case 'any':
      return '*'
    case 'user':
      return s.login
    case 'domain':
      return `user:*@${s.domain}`
    case 'group':
    case 'synced-group':
      return s.group
    case 'tag':
      return s.tag
    case 'autogroup':
      return `autogroup:${s.autogroup}`
    case 'prefix':
      return s.host ?? formatPrefix(s.prefix)
    case 'ipset':
      return s.ipset
    default:
      return s.service
  }
}

export const any = selector({ kind: 'any' })
export const user = (login: string): Selector => selector({ kind: 'user', login })
export const tag = (name: string): Selector => selector({ kind: 'tag', tag: name })
export const autogroup = (name: Autogroup): Selector => selector({ kind: 'autogroup', autogroup: name })
const ROLES = ['member', 'owner', 'admin', 'network-admin', 'it-admin', 'billing-admin', 'auditor'] as const
const GROUPS = ['group:x', 'group:y', 'group:none']
const IPSETS = ['ipset:p', 'ipset:q']
const POSTURES = ['posture:one', 'posture:two']

const users = fc.constantFrom(...LOGINS, ...OUTSIDERS).map(user)
const people: fc.Arbitrary<Selector> = fc.oneof(
  users,
  fc.constantFrom(...GROUPS).map((group) => selector({ kind: 'group', group })),
  fc.constantFrom(...ROLES).map(autogroup),
)
const byDomain = fc.constantFrom('example.com', 'Example.ORG').map((domain) => selector({ kind: 'domain', domain }))
const tags = fc.constantFrom(...TAGS).map(tag)
const tagged = fc.constant(autogroup('tagged'))
const addresses: fc.Arbitrary<Selector> = fc.oneof(
  fc.constantFrom(...WRITTEN).map((p) => selector({ kind: 'prefix', prefix: p })),
  fc.constantFrom(...WRITTEN.entries()).map(([n, p]) => selector({ kind: 'prefix', prefix: p, host: `host${n}` })),
  fc.constantFrom(...IPSETS).map((ipset) => selector({ kind: 'ipset', ipset })),
)
const star = fc.constant(any)

const sources: fc.Arbitrary<Selector> = fc.oneof(
  { weight: 3, arbitrary: people },
  { weight: 2, arbitrary: tags },
  { weight: 3, arbitrary: addresses },
  { weight: 2, arbitrary: star },
  byDomain,
  tagged,
  { weight: 2, arbitrary: fc.constantFrom(autogroup('shared'), autogroup('danger-all')) },
  fc.constant(selector({ kind: 'synced-group', group: 'group:s@example.com' })),
)
const targets: fc.Arbitrary<Selector> = fc.oneof(
  { weight: 3, arbitrary: people },
  { weight: 3, arbitrary: tags },
  { weight: 3, arbitrary: addresses },
  { weight: 2, arbitrary: star },
  byDomain,
  tagged,
  { weight: 2, arbitrary: fc.constantFrom(...SERVICES).map((service) => selector({ kind: 'service', service })) },
)
const internet = fc.constant(autogroup('internet'))
const self = fc.constant(autogroup('self'))

const ports = fc.constantFrom(
  { first: 22, last: 22 },
  { first: 80, last: 443 },
  { first: 0, last: 65535 },
  { first: 1, last: 65535 },
)
/** One entry a protocol; of those that have no ports, all of them. */
const traffic: fc.Arbitrary<Traffic> = fc.oneof(
  fc.record({ ports: fc.array(ports, { minLength: 1, maxLength: 2 }) }),
  fc.record({ protocol: fc.constantFrom(6, 17, 132), ports: fc.array(ports, { minLength: 1, maxLength: 2 }) }),
  fc.constantFrom(1, 47, 58).map((protocol) => ({ protocol, ports: [{ first: 0, last: 65535 }] })),
)
const manyTraffics = fc.uniqueArray(traffic, { minLength: 1, maxLength: 3, selector: (t) => t.protocol })

const app: fc.Arbitrary<ReadonlyMap<string, readonly unknown[]>> = fc
  .uniqueArray(
    fc.tuple(
      fc.constantFrom('example.com/cap/x', 'tailscale.com/cap/drive', 'tailscale.com/cap/relay'),
      fc.constantFrom([], [{ v: 1 }], [{ v: 2 }, { v: 3 }]),
    ),
    { minLength: 1, maxLength: 3, selector: ([name]) => name },
  )
  .map((entries) => new Map(entries))
const noApp: AccessRule['app'] = new Map()
const noVia: readonly string[] = []

const some = <T>(one: fc.Arbitrary<T>, most = 3): fc.Arbitrary<T[]> => fc.array(one, { minLength: 1, maxLength: most })
const postures = fc.oneof({ weight: 3, arbitrary: fc.constant<string[]>([]) }, fc.subarray(POSTURES, { minLength: 1 }))

type Draft = Pick<AccessRule, 'kind' | 'sources' | 'destinations' | 'app' | 'via' | 'postures'>
/** In a grant, every port goes with every target. */
const cross = (list: readonly Selector[], traffics: readonly Traffic[]): Destination[] =>
  list.map((target) => ({ target, traffic: traffics }))

/** With capabilities or without, or with nothing else. */
const whatFor = fc.oneof(
  { weight: 3, arbitrary: fc.record({ traffics: manyTraffics, app: fc.constant(noApp) }) },
  fc.record({ traffics: manyTraffics, app }),
  fc.record({ traffics: fc.constant<Traffic[]>([]), app }),
)
const grant = (from: fc.Arbitrary<Selector[]>, to: fc.Arbitrary<Selector[]>, via: fc.Arbitrary<readonly string[]>) =>
  fc
    .record({ from, to, via, postures, what: whatFor })
    .map(({ from: sources, to: list, via: by, postures: asked, what }): Draft => {
      const isPublic = list.some((t) => t.kind === 'autogroup' && t.autogroup === 'internet')
      const traffics = isPublic && what.traffics.length === 0 ? [{ ports: [{ first: 0, last: 65535 }] }] : what.traffics
      return {
        kind: 'grant',
        sources,
        destinations: cross(list, traffics),
        app: isPublic ? noApp : what.app,
        via: by,
        postures: asked,
      }
    })
const noWay = fc.constant(noVia)
const acl = (from: fc.Arbitrary<Selector[]>, to: fc.Arbitrary<Selector>) =>
  fc
    .record({
      from,
      postures,
      to: some(to),
      protocol: fc.constantFrom(undefined, 1, 6, 17, 47),
      ports: fc.array(some(ports, 2), { minLength: 3, maxLength: 3 }),
    })
    .map(({ from: sources, postures: asked, to: list, protocol, ports: listed }): Draft => ({
      kind: 'acl',
      sources,
      destinations: list.map((target, i) => ({
        target,
        traffic: [
          protocol === undefined
            ? { ports: listed[i] ?? [] }
            : { protocol, ports: protocol === 6 || protocol === 17 ? (listed[i] ?? []) : [{ first: 0, last: 65535 }] },
        ],
      })),
      app: noApp,
      via: noVia,
      postures: asked,
    }))

const rule: fc.Arbitrary<Draft> = fc.oneof(
  {
    weight: 4,
    arbitrary: grant(
      fc.array(sources, { maxLength: 3 }),
      some(fc.oneof({ weight: 8, arbitrary: targets }, internet)),
      noWay,
    ),
  },
  { weight: 2, arbitrary: grant(some(people), some(fc.oneof({ weight: 3, arbitrary: self }, targets)), noWay) },
  {
    weight: 3,
    arbitrary: grant(
      some(sources),
      some(fc.oneof({ weight: 3, arbitrary: addresses }, internet, star)),
      fc.subarray(TAGS, { minLength: 1 }),
    ),
  },
  { weight: 3, arbitrary: acl(some(sources), fc.oneof({ weight: 8, arbitrary: targets }, internet)) },
  {
    weight: 2,
    arbitrary: acl(
      fc.oneof(
        star.map((s) => [s]),
        some(people),
      ),
      fc.oneof({ weight: 3, arbitrary: self }, targets),
    ),
  },
)

const bareAssertion = fc.oneof(
  fc.record({
    attribute: fc.constant('node:os'),
    op: fc.constantFrom('==', '!='),
    value: fc.constantFrom('linux', 'macos'),
  }),
  fc.record({
    attribute: fc.constant('node:os'),
    op: fc.constantFrom('IN', 'NOT IN'),
    values: fc.subarray(['linux', 'windows']),
  }),
  fc.record({
    attribute: fc.constant('node:tsVersion'),
    op: fc.constantFrom('==', '!=', '<', '<=', '>', '>='),
    value: fc.constantFrom('1.30.2', '1.102', '1.9'),
  }),
  fc.record({
    attribute: fc.constant('custom:tier'),
    op: fc.constantFrom('==', '<', '<=', '>', '>='),
    value: fc.integer({ min: 1, max: 3 }),
  }),
  fc.record({ attribute: fc.constant('custom:ok'), op: fc.constantFrom('IS SET', 'NOT SET') }),
  fc.constant({ attribute: 'custom:ok', op: '==', value: true }),
)
const assertion = bareAssertion.map((bare) => ({ ...bare, at, text: '' }) as unknown as Assertion)

const step = (nested: boolean): fc.Arbitrary<IpSetStep> =>
  fc.record({
    at: fc.constant(at),
    op: fc.constantFrom('add', 'add', 'remove'),
    target: fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(...WRITTEN).map((prefix) => ({ kind: 'prefix' as const, prefix })) },
      fc.constantFrom(
        { kind: 'range' as const, family: 4 as const, first: 0x6440_0001n, last: 0x6440_0003n },
        { kind: 'range' as const, family: 4 as const, first: 0x0a21_0105n, last: 0x0a21_0301n },
      ),
      fc.constant({ kind: 'internet' as const }),
      ...(nested ? [fc.constant({ kind: 'ipset' as const, ipset: 'ipset:p' })] : []),
    ),
  })

const sshUser: fc.Arbitrary<SshUser> = fc.oneof(
  fc.constant({ kind: 'nonroot' as const }),
  fc.constantFrom('example.com', 'example.org').map((domain) => ({ kind: 'localpart' as const, domain })),
  fc.constantFrom('root', 'ubuntu', 'ann').map((name) => ({ kind: 'account' as const, name })),
)
const sshSides = fc.oneof(
  fc.record({ sources: some(fc.oneof(people, byDomain)), destinations: some(fc.oneof(self, tags, tagged)) }),
  fc.record({ sources: some(fc.oneof(tags, tagged, people)), destinations: some(fc.oneof(tags, tagged)) }),
  users.map((one) => ({ sources: [one], destinations: [one] })),
)
const ssh = fc
  .tuple(sshSides, some(sshUser), fc.constantFrom('accept' as const, 'check' as const), postures)
  .map(([sides, accounts, action, asked]): Omit<SshRule, 'index'> => ({
    ...sides,
    at,
    action,
    users: accounts,
    checkPeriodMs: 0,
    acceptEnv: [],
    recorder: [],
    enforceRecorder: false,
    postures: asked,
  }))

const nodeAttrs = fc
  .record({
    targets: some(
      fc.oneof(
        star,
        people,
        tags,
        tagged,
        addresses.filter(({ kind }) => kind === 'prefix'),
      ),
    ),
    attrs: fc.subarray(['funnel', 'drive:share', 'x']),
    app: fc.oneof(fc.constant(noApp), app),
  })
  .map((entry): Omit<NodeAttrs, 'index'> => ({ ...entry, at, ipPool: [] }))

/** A policy with nothing in it that allows anything; tests put in what they are about. */
export const EMPTY: Policy = {
  allowAll: false,
  rules: [],
  ssh: [],
  tests: [],
  sshTests: [],
  groups: new Map(),
  tagOwners: new Map(),
  hosts: new Map(),
  ipsets: new Map(),
  autoApprovers: { routes: [], exitNode: [], services: new Map() },
  nodeAttrs: [],
  postures: new Map(),
  attrConfig: new Map(),
  disableIPv4: false,
  oneCGNATRoute: '',
  randomizeClientPort: false,
  warnings: [],
}

export function policies(mostRules: number): fc.Arbitrary<Policy> {
  return fc
    .record({
      allowAll: fc.oneof({ weight: 30, arbitrary: fc.constant(false) }, fc.constant(true)),
      rules: fc.array(rule, { minLength: 1, maxLength: mostRules }),
      ssh: fc.array(ssh, { maxLength: 3 }),
      nodeAttrs: fc.array(nodeAttrs, { maxLength: 2 }),
      members: fc.tuple(fc.array(users, { maxLength: 3 }), fc.array(users, { maxLength: 2 })),
      steps: fc.tuple(fc.array(step(false), { maxLength: 4 }), fc.array(step(true), { maxLength: 4 })),
      postured: fc.tuple(some(assertion, 2), some(assertion, 2)),
    })
    .map(({ allowAll, rules, ssh: sshRules, nodeAttrs: attrs, members, steps, postured }) => ({
      ...EMPTY,
      allowAll,
      // Grants come before all ACLs. (policy.md §15.3)
      rules: [...rules.filter(({ kind }) => kind === 'grant'), ...rules.filter(({ kind }) => kind === 'acl')].map(
        (drafted, index) => ({ ...drafted, index, at }),
      ),
      ssh: sshRules.map((drafted, index) => ({ ...drafted, index })),
      nodeAttrs: attrs.map((drafted, index) => ({ ...drafted, index })),
      groups: new Map(GROUPS.map((name, i) => [name, { name, at, members: members[i] ?? [] }])),
      tagOwners: new Map(TAGS.map((name) => [name, { tag: name, at, owners: [autogroup('admin')] }])),
      ipsets: new Map(IPSETS.map((name, i) => [name, steps[i] ?? []])),
      postures: new Map(POSTURES.map((name, i) => [name, { name, at, assertions: postured[i] ?? [] }])),
    }))
}
