/** What is taken, and what becomes of it: policy.md §2 to §13 and §17. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sized } from '../../../test/support/size.ts'
import { formatPrefix } from '../../base/ip.ts'
import { format, parse } from '../hujson/index.ts'
import { formatDuration, parseDuration } from './duration.ts'
import { checkPolicy, DEFAULT_POLICY, isDefaultPolicy } from './index.ts'
import type { Policy, Selector } from '../policy.ts'

const context = { domains: new Set(['example.com']), logins: new Set(['odin@example.com']) }
const taken = (policy: unknown): Policy => checkPolicy(JSON.stringify(policy, undefined, 2), context)

const NAMES = {
  groups: { 'group:a': ['odin@example.com'] },
  tagOwners: { 'tag:a': [], 'tag:b': [] },
  hosts: { srv: '100.64.0.1', net: '10.1.2.3/8' },
  ipsets: { 'ipset:a': ['10.0.0.0/8'] },
}

function shown(selector: Selector | undefined): unknown {
  if (selector?.kind !== 'prefix') {
    const { at: _, text: _text, ...rest } = selector ?? { at: 0, text: 0 }
    return rest
  }
  return { prefix: formatPrefix(selector.prefix), ...(selector.host === undefined ? {} : { host: selector.host }) }
}

const selectors = [
  ['*', { kind: 'any' }],
  [' * ', { kind: 'any' }],
  ['Odin@Example.com', { kind: 'user', login: 'Odin@Example.com' }],
  ['odin@github', { kind: 'user', login: 'odin@github' }],
  ['user:*@example.com', { kind: 'domain', domain: 'example.com' }],
  ['group:a', { kind: 'group', group: 'group:a' }],
  ['group:a@example.com', { kind: 'synced-group', group: 'group:a@example.com' }],
  ['tag:a', { kind: 'tag', tag: 'tag:a' }],
  ['autogroup:member', { kind: 'autogroup', autogroup: 'member' }],
  ['autogroup:members', { kind: 'autogroup', autogroup: 'member' }],
  ['autogroup:danger-all', { kind: 'autogroup', autogroup: 'danger-all' }],
  ['autogroup:shared', { kind: 'autogroup', autogroup: 'shared' }],
  ['autogroup:billing-admin', { kind: 'autogroup', autogroup: 'billing-admin' }],
  ['srv', { prefix: '100.64.0.1/32', host: 'srv' }],
  ['net', { prefix: '10.0.0.0/8', host: 'net' }],
  ['100.64.0.1', { prefix: '100.64.0.1/32' }],
  ['10.33.0.0/16', { prefix: '10.33.0.0/16' }],
  ['fd7a:115c:a1e0::1', { prefix: 'fd7a:115c:a1e0::1/128' }],
  ['0.0.0.0/0', { prefix: '0.0.0.0/0' }],
  ['ipset:a', { kind: 'ipset', ipset: 'ipset:a' }],
] as const

for (const [text, want] of selectors)
  test(`${JSON.stringify(text)} as a source`, () => {
    const { rules } = taken({ ...NAMES, grants: [{ src: [text], dst: ['*'], ip: ['*'] }] })
    assert.deepEqual(shown(rules[0]?.sources[0]), want)
  })

const destinations = [
  ['srv:22', { prefix: '100.64.0.1/32', host: 'srv' }, [[22, 22]]],
  ['tag:a:*', { kind: 'tag', tag: 'tag:a' }, [[0, 65535]]],
  ['*:1-65535', { kind: 'any' }, [[1, 65535]]],
  [
    'tag:a:443, 22,80-90',
    { kind: 'tag', tag: 'tag:a' },
    [
      [443, 443],
      [22, 22],
      [80, 90],
    ],
  ],
  ['[fd00::1]:22', { prefix: 'fd00::1/128' }, [[22, 22]]],
  ['fd00::1:22', { prefix: 'fd00::1/128' }, [[22, 22]]],
  ['fd00::/64:*', { prefix: 'fd00::/64' }, [[0, 65535]]],
  ['[fd00::]/64:*', { prefix: 'fd00::/64' }, [[0, 65535]]],
  ['svc:web:443', { kind: 'service', service: 'svc:web' }, [[443, 443]]],
  ['user:*@example.com:22', { kind: 'domain', domain: 'example.com' }, [[22, 22]]],
  ['autogroup:self:22', { kind: 'autogroup', autogroup: 'self' }, [[22, 22]]],
  ['autogroup:internet:*', { kind: 'autogroup', autogroup: 'internet' }, [[0, 65535]]],
] as const

for (const [text, target, ports] of destinations)
  test(`${JSON.stringify(text)} as a destination of an ACL`, () => {
    const { rules } = taken({ ...NAMES, acls: [{ action: ' accept', src: ['*'], dst: [text] }] })
    const [destination] = rules[0]?.destinations ?? []
    assert.deepEqual(shown(destination?.target), target)
    assert.deepEqual(
      destination?.traffic.map((traffic) => traffic.ports.map(({ first, last }) => [first, last])),
      [ports],
    )
    assert.equal(destination?.traffic[0]?.protocol, undefined)
  })

test('a grant gathers what it lets through by protocol, in order of first appearance', () => {
  const ip = ['tcp:80', 'udp:53', '47', 'TCP:443', 'icmp:*', '*', '132:1-2']
  const { rules } = taken({ grants: [{ src: ['*'], dst: ['*', 'autogroup:member'], ip }] })
  assert.equal(rules[0]?.destinations.length, 2)
  for (const { traffic } of rules[0].destinations)
    assert.deepEqual(traffic, [
      {
        protocol: 6,
        ports: [
          { first: 80, last: 80 },
          { first: 443, last: 443 },
        ],
      },
      { protocol: 17, ports: [{ first: 53, last: 53 }] },
      {
        ports: [
          { first: 47, last: 47 },
          { first: 0, last: 65535 },
        ],
      },
      { protocol: 1, ports: [{ first: 0, last: 65535 }] },
      { protocol: 132, ports: [{ first: 1, last: 2 }] },
    ])
})

const protocols = [
  ['tcp', 6],
  ['UDP', 17],
  ['1', 1],
  ['ipv6-icmp', 58],
  ['ip-in-ip', 4],
  ['255', 255],
  ['fc', 133],
  ['', undefined],
] as const

test('the protocol of an ACL is a name or a number', () => {
  for (const [proto, number] of protocols) {
    const { rules } = taken({ acls: [{ action: 'accept', src: ['*'], dst: ['*:*'], proto }] })
    assert.equal(rules[0]?.destinations[0]?.traffic[0]?.protocol, number, proto)
  }
})

test('grants come before ACLs; without either everything is allowed, and with an empty one nothing', () => {
  const acls = [{ action: 'accept', users: ['odin@example.com'], ports: ['*:22'] }]
  const both = taken({ acls, grants: [{ src: [], dst: [], ip: ['*'] }] })
  assert.deepEqual(
    both.rules.map(({ kind, index }) => [kind, index]),
    [
      ['grant', 0],
      ['acl', 0],
    ],
  )
  assert.deepEqual(both.rules[0]?.sources, [])
  assert.equal(both.rules[1]?.sources[0]?.text, 'odin@example.com')
  assert.equal(both.allowAll, false)
  assert.equal(taken({}).allowAll, true)
  assert.equal(taken({ acls: null }).allowAll, true)
  assert.equal(taken({ grants: [] }).allowAll, false)
  assert.equal(taken({ acls: [] }).allowAll, false)
})

test('capabilities are handed on as written, whatever their names', () => {
  const values = [{ __proto__x: 1, deep: [{ a: [null, 1.5, 'é'] }] }, 'text', 7]
  const app = { 'example.com/a/b/c': values, 'tailscale.com/cap/drive': [], 'my-company.internal/x': null }
  const { rules } = taken({ grants: [{ src: ['*'], dst: ['*'], app }] })
  assert.deepEqual(
    [...(rules[0]?.app ?? [])],
    [
      ['example.com/a/b/c', values],
      ['tailscale.com/cap/drive', []],
      ['my-company.internal/x', []],
    ],
  )
})

test('names that objects have of themselves are names like others', () => {
  const text = `{
    "groups": {"group:__proto__": [], "group:constructor": ["odin@example.com"]},
    "hosts": {"__proto__": "10.0.0.1", "constructor": "10.0.0.2"},
    "tagOwners": {"tag:constructor": []},
    "grants": [{"src": ["__proto__", "constructor", "group:__proto__"], "dst": ["tag:constructor"],
      "app": {"example.com/__proto__": [{"__proto__": {"polluted": true}}]}}],
  }`
  const policy = checkPolicy(text, context)
  assert.deepEqual([...policy.hosts.keys()], ['__proto__', 'constructor'])
  assert.deepEqual([...policy.groups.keys()], ['group:__proto__', 'group:constructor'])
  assert.deepEqual(
    policy.rules[0]?.sources.map(({ kind }) => kind),
    ['prefix', 'prefix', 'group'],
  )
  assert.equal(JSON.stringify([...(policy.rules[0]?.app.values() ?? [])]), '[[{"__proto__":{"polluted":true}}]]')
  assert.equal('polluted' in {}, false)
  assert.throws(() => checkPolicy('{"grants": [{"src": ["toString"], "dst": ["*"], "ip": ["*"]}]}', context), {
    message: 'src="toString": invalid address',
  })
})

test('fields are taken in any letter case, and places are those of the text', () => {
  const text = `// é
{
  "TAGOWNERS": {"tag:a": ["autogroup:admin"]},
  "ACLs": [{"Action": "accept", "SRC": [/* é */ "tag:a"], "Dst": ["tag:a:*"]}],
}
`
  const policy = checkPolicy(new TextEncoder().encode(text), context)
  assert.deepEqual(policy.tagOwners.get('tag:a')?.at, { line: 3, column: 17 })
  assert.deepEqual(policy.rules[0]?.at, { line: 4, column: 12 })
  // Columns count bytes: the é before it is two.
  assert.deepEqual(policy.rules[0]?.sources[0]?.at, { line: 4, column: 50 })
  assert.deepEqual(checkPolicy(parse(text), context), policy)
})

test('ssh rules', () => {
  const users = [
    'root',
    ' ubuntu',
    'autogroup:nonroot',
    'localpart:*@example.com',
    'localpart:foo',
    'localpart:*@',
    '🚀',
    'tag:x',
  ]
  const rule = { action: 'check ', src: ['autogroup:member'], dst: ['tag:a '], users }
  const options = { acceptEnv: ['GIT_*', ' X'], recorder: ['tag:b'], enforceRecorder: true, checkPeriod: '1h30m' }
  const { ssh } = taken({
    ...NAMES,
    ssh: [
      { ...rule, ...options },
      { ...rule, checkPeriod: null },
      { action: 'accept', users: ['root'] },
    ],
  })
  assert.equal(ssh.length, 3)
  assert.deepEqual(ssh[0]?.users, [
    { kind: 'account', name: 'root' },
    { kind: 'account', name: 'ubuntu' },
    { kind: 'nonroot' },
    { kind: 'localpart', domain: 'example.com' },
    { kind: 'account', name: 'localpart:foo' },
    { kind: 'account', name: 'localpart:*@' },
    { kind: 'account', name: '🚀' },
    { kind: 'account', name: 'tag:x' },
  ])
  const { action, checkPeriodMs, acceptEnv, recorder, enforceRecorder } = ssh[0]
  assert.deepEqual(
    { action, checkPeriodMs, acceptEnv, recorder, enforceRecorder },
    {
      action: 'check',
      checkPeriodMs: 5_400_000,
      acceptEnv: ['GIT_*', ' X'],
      recorder: ['tag:b'],
      enforceRecorder: true,
    },
  )
  assert.equal(ssh[1]?.checkPeriodMs, 12 * 3_600_000)
  assert.deepEqual([ssh[2]?.sources, ssh[2]?.destinations], [[], []])
})

test('what ssh rules may name', () => {
  const rules = [
    { src: ['odin@example.com'], dst: ['Odin@example.com'] },
    { src: ['odin@example.com'], dst: ['autogroup:self', 'tag:a'] },
    { src: ['user:*@example.com', 'group:a', 'group:b@example.com'], dst: ['autogroup:self'] },
    { src: ['tag:a', 'autogroup:tagged'], dst: ['tag:a', 'autogroup:tagged'] },
  ]
  for (const checkPeriod of ['always', '0s', '0', '168h', '30s', '1.5h'])
    taken({ ...NAMES, ssh: rules.map((rule) => ({ ...rule, action: 'check', users: ['root'], checkPeriod })) })
})

test('postures of rules: their own, or the default', () => {
  const postures = { 'posture:a': ["node:os == 'linux'"], 'posture:b': ['custom:ok'] }
  const rule = { src: ['autogroup:member'], dst: ['*'], ip: ['*'] }
  const policy = taken({
    postures,
    defaultSrcPosture: ['posture:a'],
    grants: [rule, { ...rule, srcPosture: ['posture:b', 'posture:a'] }, { ...rule, srcPosture: [] }],
    acls: [{ action: 'accept', src: ['*'], dst: ['*:*'] }],
    ssh: [{ action: 'accept', users: ['root'] }],
  })
  assert.deepEqual(
    policy.rules.map((each) => each.postures),
    [['posture:a'], ['posture:b', 'posture:a'], ['posture:a'], ['posture:a']],
  )
  assert.deepEqual(policy.ssh[0]?.postures, ['posture:a'])
})

const assertions = [
  ["node:os == 'macos'", { attribute: 'node:os', op: '==', value: 'macos' }],
  ["node:os!='it''", undefined],
  ["node:tsVersion >= '1.40'", { attribute: 'node:tsVersion', op: '>=', value: '1.40' }],
  ['node:osVersion < 13.10', { attribute: 'node:osVersion', op: '<', value: '13.10' }],
  ['falcon:ztaScore>=-5.5', { attribute: 'falcon:ztaScore', op: '>=', value: -5.5 }],
  ['custom:a == true', { attribute: 'custom:a', op: '==', value: true }],
  ['custom:a != false', { attribute: 'custom:a', op: '!=', value: false }],
  ['node:tsStateEncrypted', { attribute: 'node:tsStateEncrypted', op: '==', value: true }],
  ["node:os IN ['macos', 'linux',]", { attribute: 'node:os', op: 'IN', values: ['macos', 'linux'] }],
  ["ip:country NOT  IN ['DE']", { attribute: 'ip:country', op: 'NOT IN', values: ['DE'] }],
  ['custom:x:y IS SET', { attribute: 'custom:x:y', op: 'IS SET' }],
  ['custom:x NOT SET', { attribute: 'custom:x', op: 'NOT SET' }],
] as const

for (const [text, want] of assertions)
  test(`the assertion ${text}`, () => {
    const policy = (): Policy => taken({ postures: { 'posture:a': [text] } })
    if (want === undefined) return assert.throws(policy)
    const { at: _, text: written, ...rest } = policy().postures.get('posture:a')?.assertions[0] ?? { at: 0, text: '' }
    assert.equal(written, text)
    assert.deepEqual(rest, want)
  })

test('tags, ipsets, approvers, node attributes', () => {
  const policy = taken({
    groups: { 'group:a': [] },
    hosts: { srv: '100.64.0.1' },
    tagOwners: {
      'tag:a': [],
      'tag:b': ['tag:b', 'tag:a', ' group:a', 'autogroup:network-admin', 'user:*@example.com'],
    },
    ipsets: {
      'ipset:a': ['add 10.0.0.0/8', 'remove 10.1.0.0-10.2.0.0', 'add host:srv', 'add autogroup:internet'],
      'ipset:b': ['ipset:a', 'ipset:a', '::1'],
    },
    autoApprovers: {
      routes: { '10.0.0.1/8': ['tag:a', 'autogroup:admin'], '::/0': [] },
      exitNode: ['group:a'],
      services: { 'svc:web': ['tag:a'], 'tag:b': ['tag:a'] },
    },
    nodeAttrs: [
      { target: ['*', 'srv', 'autogroup:owner'], attr: ['funnel', 'https://tailscale.com/cap/is-admin?x=y'] },
      { target: [] },
      { target: ['tag:a'], ipPool: ['100.81.0.0/16', '100.64.0.0/10'] },
      {
        target: ['tag:a'],
        app: {
          'tailscale.com/app-connectors': [
            { name: 'x', connectors: ['tag:a'], domains: ['a.example'], routes: ['10.0.0.0/8'] },
          ],
        },
      },
    ],
  })
  assert.deepEqual(
    policy.tagOwners.get('tag:a')?.owners.map(({ text }) => text),
    ['autogroup:admin'],
  )
  assert.deepEqual(
    policy.tagOwners.get('tag:b')?.owners.map(({ kind }) => kind),
    ['tag', 'tag', 'group', 'autogroup', 'domain'],
  )
  assert.deepEqual(
    policy.ipsets.get('ipset:a')?.map(({ op, target }) => `${op} ${target.kind}`),
    ['add prefix', 'remove range', 'add prefix', 'add internet'],
  )
  assert.deepEqual(
    policy.ipsets.get('ipset:b')?.map(({ op }) => op),
    ['add', 'add', 'add'],
  )
  assert.deepEqual(
    policy.autoApprovers.routes.map(({ prefix }) => formatPrefix(prefix)),
    ['10.0.0.0/8', '::/0'],
  )
  assert.deepEqual([...policy.autoApprovers.services.keys()], ['svc:web', 'tag:b'])
  assert.deepEqual(policy.nodeAttrs[0]?.attrs, ['funnel', 'https://tailscale.com/cap/is-admin?x=y'])
  assert.deepEqual(policy.nodeAttrs[2]?.ipPool.map(formatPrefix), ['100.81.0.0/16', '100.64.0.0/10'])
  assert.equal(policy.nodeAttrs[3]?.app.get('tailscale.com/app-connectors')?.length, 1)
})

test('tests keep what they name as written, whether or not it is anybody', () => {
  const { tests, sshTests } = taken({
    ...NAMES,
    tests: [
      {
        user: 'x',
        allow: ['nowhere:ssh', ''],
        deny: ['*:*'],
        proto: 'icmp',
        srcPostureAttrs: { 'node:os': 'js', 'custom:n': 1, 'custom:b': true },
      },
      {},
    ],
    sshTests: [
      { src: 'y', dst: ['tag:a', 'srv', '::1', 'odin@example.com'], accept: ['root'], check: [''], deny: ['*'] },
    ],
  })
  assert.deepEqual(
    tests[0]?.accept.map(({ text }) => text),
    ['nowhere:ssh', ''],
  )
  assert.deepEqual([tests[0]?.src, tests[0]?.proto, tests[1]?.src], ['x', 'icmp', ''])
  assert.deepEqual(
    [...(tests[0]?.attributes ?? [])],
    [
      ['node:os', 'js'],
      ['custom:n', 1],
      ['custom:b', true],
    ],
  )
  assert.deepEqual([sshTests[0]?.accept, sshTests[0]?.check, sshTests[0]?.deny], [['root'], [''], ['*']])
})

test('network options', () => {
  const policy = taken({
    disableIPv4: true,
    OneCGNATRoute: 'mac-never',
    randomizeClientPort: true,
    attrConfig: { 'custom:n': { type: 'number', allowSetByNode: true, broadcastToPeers: ['tag:a'] } },
    derpMap: {
      omitDefaultRegions: true,
      regions: {
        1: null,
        900: {
          regionID: 900,
          regionCode: 'x',
          regionName: 'X',
          nodes: [
            {
              name: 'a',
              regionID: 900,
              hostName: 'relay.example',
              ipv4: '192.0.2.1',
              ipv6: 'none',
              stunPort: -1,
              derpPort: 8443,
              stunOnly: false,
            },
          ],
        },
      },
    },
  })
  assert.deepEqual([policy.disableIPv4, policy.oneCGNATRoute, policy.randomizeClientPort], [true, 'mac-never', true])
  assert.deepEqual(policy.attrConfig.get('custom:n'), {
    type: 'number',
    allowSetByNode: true,
    broadcastToPeers: ['tag:a'],
  })
  assert.equal(policy.derpMap?.omitDefaultRegions, true)
  assert.deepEqual(
    [...policy.derpMap.regions],
    [
      [1, null],
      [
        900,
        {
          RegionID: 900,
          RegionCode: 'x',
          RegionName: 'X',
          Nodes: [
            {
              Name: 'a',
              RegionID: 900,
              HostName: 'relay.example',
              IPv4: '192.0.2.1',
              IPv6: 'none',
              STUNPort: -1,
              DERPPort: 8443,
            },
          ],
        },
      ],
    ],
  )
})

test('relays that clients could not use are worth a warning', () => {
  const node = { name: 'a', hostName: 'relay.example' }
  const none = 'derpMap: no relay is left, and without one clients do not start'
  const noCode = 'derpMap.regions["900"]: regionCode is empty, and clients name the relay by it'
  const rows = [
    { derpMap: { regions: { 900: { regionCode: 'x', nodes: [node] } } }, want: [] },
    { derpMap: { regions: { 1: null } }, want: [] },
    { derpMap: { omitDefaultRegions: true }, want: [none] },
    { derpMap: { omitDefaultRegions: true, regions: { 1: null } }, want: [none] },
    { derpMap: { omitDefaultRegions: true, regions: { 900: { regionCode: 'x', nodes: [node] } } }, want: [] },
    {
      derpMap: {
        omitDefaultRegions: true,
        regions: { 900: { regionCode: 'x', nodes: [{ ...node, stunOnly: true }] } },
      },
      want: [none],
    },
    { derpMap: { regions: { 900: { nodes: [node] } } }, want: [noCode] },
  ]
  for (const { derpMap, want } of rows)
    assert.deepEqual(
      taken({ derpMap }).warnings.map(({ text }) => text),
      want,
    )
})

test('people who are not there and groups that no provider syncs are worth a warning each', () => {
  const { warnings, groups } = taken({
    groups: { 'group:example': ['ODIN@example.com', 'user1@example.com'] },
    grants: [1, 2].map(() => ({ src: ['group:x@example.com', 'user2@example.com'], dst: ['*'], ip: ['*'] })),
  })
  assert.deepEqual(
    warnings.map(({ about, text }) => [about, text]),
    [
      ['group:example', '"group:example": user not found: "user1@example.com"'],
      ['group:x@example.com', 'group is not syncing from SCIM and will be ignored by rules in the policy file'],
      ['user2@example.com', '"user2@example.com": user not found: "user2@example.com"'],
    ],
  )
  assert.equal(groups.get('group:example')?.members.length, 2)
})

test('the default policy is formatted, taken, and known again', () => {
  assert.equal(format(parse(DEFAULT_POLICY)), DEFAULT_POLICY)
  const policy = checkPolicy(DEFAULT_POLICY, context)
  assert.deepEqual(
    policy.rules.map(({ kind, sources, destinations }) => [kind, sources[0]?.kind, destinations[0]?.target.kind]),
    [['grant', 'any', 'any']],
  )
  assert.deepEqual(
    policy.ssh.map(({ action, users }) => [action, users.map(({ kind }) => kind)]),
    [['check', ['nonroot', 'account']]],
  )
  assert.equal(isDefaultPolicy(DEFAULT_POLICY), true)
  assert.equal(isDefaultPolicy(`${DEFAULT_POLICY} `), false)
  // Its examples hold as well once they are asked for.
  const uncommented = DEFAULT_POLICY.replace(/^\t\/\/ (\t*["\]}{].*)$/gm, '\t$1')
  assert.equal(checkPolicy(uncommented, context).tests.length, 1)
})

const durations = [
  ['1h30m', 5_400_000_000_000n, '1h30m0s'],
  ['-1m', -60_000_000_000n, '-1m0s'],
  ['+1.5s', 1_500_000_000n, '1.5s'],
  ['.5h', 1_800_000_000_000n, '30m0s'],
  ['1us', 1_000n, '1µs'],
  ['1.25ms', 1_250_000n, '1.25ms'],
  ['7ns', 7n, '7ns'],
  ['0', 0n, '0s'],
  ['168h0m0.000000001s', 604_800_000_000_001n, '168h0m0.000000001s'],
] as const

test('durations are read and written as Go does', () => {
  for (const [text, nanoseconds, written] of durations) {
    assert.equal(parseDuration(text), nanoseconds, text)
    assert.equal(formatDuration(nanoseconds), written, text)
  }
})

test('of a hundred thousand rules, or a sample of them, on one line the last is found wrong, and where', () => {
  const count = sized(20_000, 100_000)
  const rule = '{"src":["tag:a"],"dst":["*"],"ip":["tcp:80"]},'
  const text = `{"tagOwners":{"tag:a":[]},"grants":[${rule.repeat(count - 1)}{"src":["tag:x"],"dst":["*"],"ip":["*"]}]}`
  assert.throws(() => checkPolicy(text, context), {
    message: 'src=tag not found: "tag:x"',
    at: { line: 1, column: text.indexOf('"tag:x"') + 1 },
  })
})

test('nesting without end is refused at once', () => {
  const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels)
  const app = (levels: number): string =>
    `{"grants": [{"src": ["*"], "dst": ["*"], "app": {"a.b/c": [${deep(levels)}]}}]}`
  assert.equal(checkPolicy(app(100), context).rules.length, 1)
  assert.throws(() => checkPolicy(app(101), context), {
    message: 'grants[0].app["a.b/c"][0]: must not be nested deeper than 100 levels',
  })
  assert.throws(() => checkPolicy('['.repeat(1_000_000), context), { message: /exceeded max depth$/ })
})

test('a message quotes no more than its ends of a huge text', () => {
  const login = 'x'.repeat(1_000_000)
  assert.throws(
    () => checkPolicy(JSON.stringify({ grants: [{ src: [login], dst: ['*'], ip: ['*'] }] }), context),
    (error: Error) => error.message.length < 3000 && error.message.endsWith('invalid address'),
  )
})
