import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { checkEdit, checkPrefs } from './check-prefs.ts'
import { editedPrefs, prefsSummary, withExitNodeId } from './prefs-edit.ts'
import { prefsJson, readMaskedPrefs, readPrefs } from './prefs-json.ts'
import { advertisesExitNode, DEFAULT_PREFS, withExitNode, ZERO_PREFS } from './prefs.ts'
import type { Prefs } from './prefs.ts'

interface Case {
  readonly name: string
  readonly op: string
  readonly prefs: object
  readonly edit: object
  readonly expect?: string
  readonly after?: object
  readonly summary?: string
  readonly advertises_exit_node?: boolean
  readonly was?: boolean
  readonly on?: boolean
  readonly routes?: readonly string[]
}
const golden = JSON.parse(readFileSync(new URL('../../../test/vectors/prefs.json', import.meta.url), 'utf8')) as {
  readonly defaults: object
  readonly zero: object
  readonly cases: readonly Case[]
}

/** Order counts: it is the text that scripts compare. */
const text = (json: object) => JSON.stringify(json)
const written = (prefs: Prefs) => text(prefsJson(prefs))

test('defaults and nothing at all are written as the reference writes them', () => {
  assert.equal(written(DEFAULT_PREFS), text(golden.defaults))
  assert.equal(written(ZERO_PREFS), text(golden.zero))
})

test('every recorded edit gives the recorded preferences and summary', () => {
  const edits = golden.cases.filter(({ op }) => op === 'edit')
  assert.ok(edits.length > 20)
  for (const { name, prefs, edit, expect, after = {}, summary, advertises_exit_node: offers } of edits) {
    if (expect === 'reject') {
      assert.throws(() => readMaskedPrefs(text(edit)), /cannot unmarshal/, name)
      continue
    }
    const edited = editedPrefs(readPrefs(text(prefs)), readMaskedPrefs(text(edit)))
    assert.equal(written(edited), text(after), name)
    assert.equal(prefsSummary(edited), summary, name)
    assert.equal(advertisesExitNode(edited), offers, name)
  }
})

test('offering an exit node, and no more', () => {
  const rows = golden.cases.filter(({ op }) => op === 'advertise-exit-node')
  assert.ok(rows.length > 3)
  for (const { name, prefs, was, on = false, routes } of rows) {
    const before = readPrefs(text(prefs))
    assert.equal(advertisesExitNode(before), was, name)
    assert.deepEqual(withExitNode(before.AdvertiseRoutes, on), routes, name)
  }
})

test('what is malformed is refused with the field, in the known words, and never with the value', () => {
  const rows: readonly (readonly [string, RegExp])[] = [
    [
      '{"Hostname":5}',
      /^json: cannot unmarshal number into Go struct field MaskedPrefs\.Prefs\.Hostname of type string$/,
    ],
    ['{"HostnameSet":"yes"}', /cannot unmarshal string into Go struct field MaskedPrefs\.HostnameSet of type bool/],
    ['{"NetfilterMode":3}', /NetfilterMode/],
    ['{"RelayServerPort":65536}', /RelayServerPort/],
    ['{"ExitNodeIP":"tskey-auth-x"}', /ExitNodeIP/],
    ['{"AdvertiseRoutes":["10.0.0.0/8",7]}', /AdvertiseRoutes/],
    ['{"DriveShares":[7]}', /DriveShares/],
    [`{"Hostname":"${'x'.repeat(5000)}"}`, /Hostname/],
    ['[]', /want an object/],
    ['{', /not JSON/],
    ['{"a":'.repeat(40) + '1' + '}'.repeat(40), /nested deeper/],
    [`{"AdvertiseTags":[${'"tag:a",'.repeat(10_001)}"tag:b"]}`, /AdvertiseTags/],
  ]
  for (const [json, want] of rows)
    assert.throws(
      () => readMaskedPrefs(json),
      (error: Error) => want.test(error.message) && !error.message.includes('tskey'),
      json.slice(0, 40),
    )
})

test('an edit does not log anybody in, and names in any case are names', () => {
  const edit = readMaskedPrefs('{"Config":{"NodeID":"n1"},"ConfigSet":true,"hostname":"x","HOSTNAMESET":true}')
  assert.deepEqual([...edit.set], ['Hostname'])
  assert.equal(editedPrefs(DEFAULT_PREFS, edit).Hostname, 'x')
})

test('naming an exit node ends the choice of the best one, unless both are named', () => {
  const auto = { ...DEFAULT_PREFS, AutoExitNode: 'any', ExitNodeID: 'n1' }
  const after = (edit: object) => editedPrefs(auto, readMaskedPrefs(text(edit)))
  assert.equal(after({ ExitNodeID: 'n2', ExitNodeIDSet: true }).AutoExitNode, '')
  assert.equal(after({ ExitNodeIP: '', ExitNodeIPSet: true }).AutoExitNode, '')
  const both = { ExitNodeID: '', ExitNodeIDSet: true, AutoExitNode: 'any', AutoExitNodeSet: true }
  assert.equal(after(both).AutoExitNode, 'any')
  assert.equal(after({ Hostname: 'x', HostnameSet: true }).AutoExitNode, 'any')
})

test('names of prototypes are no preferences', () => {
  const edit = readMaskedPrefs('{"__proto__":{"RunSSH":true,"RunSSHSet":true},"constructorSet":true}')
  assert.equal(edit.set.size, 0)
  assert.equal(written(editedPrefs(DEFAULT_PREFS, edit)), written(DEFAULT_PREFS))
})

test('whatever is read is written so that it is read the same', () => {
  const bytes = fc.record(
    {
      Hostname: fc.string({ maxLength: 20 }),
      RouteAll: fc.boolean(),
      NoStatefulFiltering: fc.constantFrom(true, false, null),
      Sync: fc.constantFrom(true, false, null),
      AdvertiseTags: fc.option(fc.array(fc.string({ maxLength: 5 }), { maxLength: 3 })),
      NetfilterMode: fc.integer({ min: 0, max: 2 }),
      RelayServerPort: fc.option(fc.integer({ min: 0, max: 65_535 })),
      AutoUpdate: fc.record({ Check: fc.boolean(), Apply: fc.constantFrom(true, false, null) }),
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(bytes, (object) => {
      const once = readPrefs(text(object))
      assert.equal(written(readPrefs(written(once))), written(once))
      assert.deepEqual(readPrefs(written(once)), once)
    }),
    { numRuns: 200 },
  )
})

/** As another daemon may have left it. */
const IN_VAIN = { RunSSH: true, AutoUpdate: { Check: true, Apply: true }, RelayServerPort: 0 }

test('what may not be set', () => {
  const none = { has: () => false, profileNames: ['home'], can: {}, whyNoServer: () => undefined }
  const rows: readonly (readonly [
    string,
    Partial<Prefs>,
    RegExp | undefined,
    Partial<Parameters<typeof checkPrefs>[1]>?,
  ])[] = [
    ['defaults', {}, undefined],
    [
      'SSH that the tailnet does not give',
      { RunSSH: true },
      /^Unable to enable local Tailscale SSH server; not enabled on Tailnet\.$/,
    ],
    ['SSH that we do not have', { RunSSH: true }, /no SSH server/, { has: () => true }],
    ['SSH before there is a map', { RunSSH: true }, /no SSH server/, { has: undefined }],
    ['SSH', { RunSSH: true }, undefined, { has: () => true, can: { ssh: true } }],
    ['a web interface', { RunWebClient: true }, /no web interface/],
    ['a relay for peers', { RelayServerPort: 0 }, /no relay/],
    ['where a relay for peers is', { RelayServerStaticEndpoints: ['192.0.2.1:4'] }, /no relay/],
    ['a relay for peers', { RelayServerPort: 0 }, undefined, { can: { peerRelay: true } }],
    ['updates', { AutoUpdate: { Check: true, Apply: true } }, /does not update itself/],
    ['an app connector', { AppConnector: { Advertise: true } }, /no app connector/],
    ['the posture', { PostureChecking: true }, /posture/],
    ['Services', { AdvertiseServices: ['svc:web'] }, /no Services/],
    ['folders', { DriveShares: [{ name: 'a', path: '/a' }] }, /no folders/],
    ['a node that goes its own way', { Sync: false }, /always takes what the server says/],
    [
      'none of it, said to the letter',
      {
        RunSSH: false,
        RunWebClient: false,
        RelayServerPort: null,
        RelayServerStaticEndpoints: [],
        AppConnector: { Advertise: false },
        PostureChecking: false,
        AdvertiseServices: [],
        DriveShares: [],
        Sync: true,
        AutoUpdate: { Check: false, Apply: false },
      },
      undefined,
    ],
    ['what is there already', IN_VAIN, undefined, { current: { ...DEFAULT_PREFS, ...IN_VAIN } }],
    [
      'more of it',
      { ...IN_VAIN, PostureChecking: true },
      /^This version .* posture of a device\.$/,
      { current: { ...DEFAULT_PREFS, ...IN_VAIN } },
    ],
    [
      'an exit node that uses one',
      { ExitNodeID: 'n1', AdvertiseRoutes: ['0.0.0.0/0', '::/0'] },
      /^Cannot advertise an exit node and use an exit node at the same time\.$/,
    ],
    ['half an exit node that uses one', { ExitNodeIP: '100.64.0.9', AdvertiseRoutes: ['0.0.0.0/0'] }, undefined],
    ['an exit node that nobody knows yet', { ExitNodeIP: '1.2.3.4' }, undefined],
    ['a route with host bits', { AdvertiseRoutes: ['10.0.0.1/8'] }, /10\.0\.0\.1\/8 has non-address bits set/],
    ['a profile name that is taken', { ProfileName: 'home' }, /"home" already in use/],
    [
      'a server that can be none',
      { ControlURL: 'ftp://x' },
      /^want http$/,
      { whyNoServer: (url) => (url === 'ftp://x' ? 'want http' : undefined) },
    ],
    [
      'an operator whom nobody knows',
      { OperatorUser: 'n\no' },
      /^Cannot make "n\\no" the operator: /,
      { knowsUser: () => false },
    ],
    ['an operator', { OperatorUser: 'ann' }, undefined, { knowsUser: (name) => name === 'ann' }],
    [
      'an operator who is gone by now',
      { OperatorUser: 'ann' },
      undefined,
      { knowsUser: () => false, current: { ...DEFAULT_PREFS, OperatorUser: 'ann' } },
    ],
    [
      'what the owner forbids',
      { ShieldsUp: true },
      /^not here$/,
      { forbidden: ({ ShieldsUp }) => (ShieldsUp ? 'not here' : undefined) },
    ],
  ]
  for (const [name, prefs, want, context] of rows) {
    const reason = checkPrefs({ ...DEFAULT_PREFS, ...prefs }, { ...none, ...context })
    if (want === undefined) assert.equal(reason, undefined, name)
    else assert.match(reason ?? '', want, name)
  }
  assert.match(checkEdit(readMaskedPrefs('{"InternalExitNodePriorSet":true}')) ?? '', /internal/)
  assert.equal(checkEdit(readMaskedPrefs('{"HostnameSet":true}')), undefined)
})

test('an exit node named by address is one by ID as soon as a peer has it', () => {
  const prefs = { ...DEFAULT_PREFS, ExitNodeIP: '100.64.0.9' }
  assert.equal(
    withExitNodeId(prefs, () => undefined),
    prefs,
  )
  const found = withExitNodeId(prefs, (ip) => (ip === '100.64.0.9' ? 'n9' : undefined))
  assert.deepEqual([found.ExitNodeID, found.ExitNodeIP], ['n9', ''])
})
