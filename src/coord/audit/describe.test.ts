/** What each kind of record says when it comes, changes and goes; and that nothing secret is ever in it. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Wall } from '../../base/clock.ts'
import { eventName } from '../../wire/audit-filter.ts'
import type { By } from '../model/audit.ts'
import { DEFAULT_DNS } from '../model/dns.ts'
import { Model } from '../model/model.ts'
import { DEFAULT_SETTINGS, SERVER } from '../model/records.ts'
import type { Change, Kind, Kinds, TailnetNum, Write } from '../model/records.ts'
import { describe } from './describe.ts'

const NOW = Date.parse('2026-01-02T00:00:00Z') as Wall
const LATER = Date.parse('2026-01-03T00:00:00Z') as Wall
const EARLIER = Date.parse('2026-01-01T00:00:00Z') as Wall
const T = 1
/** Stands wherever a secret does, or the hash of one. */
const SECRET = 'c0ffeec0ffee'
const BY: By = { origin: 'CONFIG_API', actor: { id: '1', type: 'USER', loginName: 'ann' }, from: '192.0.2.1' }

const tailnet: Kinds['tailnet'] = {
  num: T,
  stableId: 'THomeCNTRL',
  name: 'home',
  domain: 'home.sett.internal',
  created: EARLIER,
  settings: DEFAULT_SETTINGS,
}
const ann: Kinds['user'] = {
  id: 1,
  loginName: 'ann',
  displayName: 'Ann',
  profilePicUrl: '',
  role: 'owner',
  status: 'active',
  created: EARLIER,
}
const key = {
  id: 'kOne',
  type: 'auth',
  hash: SECRET,
  description: 'robots',
  user: 1,
  created: EARLIER,
  expires: LATER,
  reusable: true,
  ephemeral: false,
  preauthorized: false,
  tags: ['tag:a'],
  scopes: [],
} as Kinds['key']
const provider: Kinds['provider'] = {
  id: 'corp',
  title: 'Corp',
  settings: {
    kind: 'oidc',
    issuer: 'https://idp.example',
    clientId: 'sett',
    clientSecret: SECRET,
    scopes: ['openid'],
    groupsClaim: 'groups',
    trustEmail: false,
  },
  admits: { anyone: false, domains: ['example.com'], groups: [], users: [] },
  created: EARLIER,
}
const session: Kinds['session'] = {
  tailnet: T,
  user: 1,
  created: EARLIER,
  used: EARLIER,
  expires: LATER,
  authenticated: { at: EARLIER, method: 'corp' },
  from: '192.0.2.9',
  agent: 'Firefox',
}
const ticket: Kinds['ticket'] = {
  purpose: 'invite',
  role: 'member',
  email: 'bea@x',
  by: 'ann',
  created: NOW,
  expires: LATER,
}
const passkey: Kinds['passkey'] = {
  user: 1,
  publicKey: 'pk',
  counter: 0,
  transports: [],
  name: 'laptop',
  created: EARLIER,
}
const identity: Kinds['identity'] = {
  user: 1,
  provider: 'corp',
  issuer: 'https://idp.example',
  subject: 'sub-1',
  groups: [],
  created: EARLIER,
  used: EARLIER,
}
const policy: Kinds['policy'] = { version: 1, text: '{}', at: NOW, by: 'ann', comment: '', domains: [] }
const proposal: Kinds['policy-proposal'] = {
  number: 1,
  text: '{}',
  at: NOW,
  by: 'ann',
  user: 1,
  comment: 'why',
  base: 0,
}
const login: Kinds['login'] = {
  code: SECRET,
  machineKey: 'mkey:1' as never,
  nodeKey: 'nodekey:1' as never,
  created: NOW,
  expires: LATER,
  hostname: 'phone',
  os: 'iOS',
  from: '192.0.2.3',
  ephemeral: false,
  requestTags: [],
}

interface Row<K extends Kind = Kind> {
  readonly name: string
  readonly kind: K
  readonly scope?: TailnetNum
  readonly id?: string
  readonly before?: Kinds[K]
  readonly after?: Kinds[K]
  /** Where it is said; the tailnet's own log if not given. */
  readonly log?: TailnetNum
  /** `EVENT`, or `EVENT old → new`. */
  readonly says: readonly string[]
}
function row<K extends Kind>(name: string, kind: K, of: Omit<Row<K>, 'name' | 'kind'>): Row {
  return { name, kind, ...of } as unknown as Row
}

const decided = (kind: 'approved' | 'rejected' | 'superseded') =>
  ({ kind, at: NOW, by: 'bob', reason: 'because' }) as const
const rows: readonly Row[] = [
  row('a tailnet comes', 'tailnet', { scope: SERVER, after: tailnet, says: ['TAILNET.CREATE'] }),
  row('a tailnet goes', 'tailnet', { scope: SERVER, before: tailnet, log: SERVER, says: ['TAILNET.DELETE'] }),
  row('a tailnet gets settings', 'tailnet', {
    scope: SERVER,
    before: tailnet,
    after: {
      ...tailnet,
      settings: { ...DEFAULT_SETTINGS, httpsEnabled: true, aclsExternalLink: 'x', devicesAutoUpdatesOn: true },
    },
    says: [
      'TAILNET.UPDATE.ACLS_EXTERNAL_LINK "" → "x"',
      'TAILNET.ENABLE.DEVICES_AUTO_UPDATES false → true',
      'TAILNET.ENABLE.HTTPS false → true',
    ],
  }),
  row('a record from before a setting came to be', 'tailnet', {
    scope: SERVER,
    before: { ...tailnet, settings: {} as never },
    after: tailnet,
    says: [],
  }),
  row('a user comes', 'user', { after: ann, says: ['USER.CREATE'] }),
  row('a user goes', 'user', { before: ann, says: ['USER.DELETE'] }),
  row('a user is approved', 'user', {
    before: { ...ann, status: 'needs-approval' },
    after: ann,
    says: ['USER.APPROVE "needs-approval" → "active"'],
  }),
  row('a user is called otherwise, and gets a role', 'user', {
    before: ann,
    after: { ...ann, displayName: 'A.', role: 'admin' },
    says: ['USER.UPDATE.USER_ROLE "owner" → "admin"', 'USER.UPDATE.ATTRIBUTES'],
  }),
  row('a key comes', 'key', { after: key, says: ['API_KEY.CREATE'] }),
  row('a key is used', 'key', { before: key, after: { ...key, usedBy: 7 }, says: [] }),
  row('a key is revoked', 'key', { before: key, after: { ...key, revoked: NOW }, says: ['API_KEY.REVOKE'] }),
  row('a key is described otherwise', 'key', {
    before: key,
    after: { ...key, description: 'x' },
    says: ['API_KEY.UPDATE.ATTRIBUTES'],
  }),
  row('a key’s hash is another', 'key', { before: key, after: { ...key, hash: `${SECRET}2` }, says: [] }),
  row('a key that works is deleted', 'key', { before: key, says: ['API_KEY.REVOKE'] }),
  row('a key that has run out is forgotten', 'key', { before: { ...key, expires: EARLIER }, says: [] }),
  row('a key that was revoked is forgotten', 'key', { before: { ...key, revoked: EARLIER }, says: [] }),
  row('DNS changes', 'dns', {
    before: DEFAULT_DNS,
    after: { ...DEFAULT_DNS, magicDNS: false, searchPaths: ['x.example'] },
    says: [
      'TAILNET.DISABLE.MAGIC_DNS true → false',
      'TAILNET.UPDATE.DNS_CONFIG {"searchPaths":[]} → {"searchPaths":["x.example"]}',
    ],
  }),
  row('DNS is written for the first time, as it was', 'dns', { after: DEFAULT_DNS, says: [] }),
  row('a provider comes', 'provider', { after: provider, says: ['TAILNET.CREATE.AUTH_PROVIDER'] }),
  row('a provider goes', 'provider', { before: provider, says: ['TAILNET.DELETE.AUTH_PROVIDER'] }),
  row('a provider gets a new secret', 'provider', {
    before: provider,
    after: { ...provider, settings: { ...provider.settings, clientSecret: `${SECRET}2` } as never },
    says: ['TAILNET.UPDATE.SECRET'],
  }),
  row('a provider admits others', 'provider', {
    before: provider,
    after: { ...provider, admits: { ...provider.admits, anyone: true } },
    says: ['TAILNET.UPDATE.AUTH_PROVIDER'],
  }),
  row('somebody logs in', 'session', { scope: SERVER, id: SECRET, after: session, says: ['ADMIN_CONSOLE.LOGIN'] }),
  row('somebody looks around', 'session', {
    scope: SERVER,
    id: SECRET,
    before: session,
    after: { ...session, used: NOW },
    says: [],
  }),
  row('somebody proves themselves anew', 'session', {
    scope: SERVER,
    id: SECRET,
    before: session,
    after: { ...session, authenticated: { at: NOW, method: 'corp' } },
    says: ['ADMIN_CONSOLE.LOGIN'],
  }),
  row('somebody logs out', 'session', { scope: SERVER, id: SECRET, before: session, says: ['ADMIN_CONSOLE.LOGOUT'] }),
  row('a session was not used for a week', 'session', {
    scope: SERVER,
    id: SECRET,
    before: { ...session, used: (NOW - 604_800_000) as Wall },
    says: [],
  }),
  row('a session has run out', 'session', {
    scope: SERVER,
    id: SECRET,
    before: { ...session, expires: EARLIER },
    says: [],
  }),
  row('an invitation is made', 'ticket', { id: SECRET, after: ticket, says: ['INVITE.CREATE.TAILNET_INVITE'] }),
  row('an invitation is over', 'ticket', { id: SECRET, before: { ...ticket, expires: EARLIER }, says: [] }),
  row('a passkey comes', 'passkey', { after: passkey, says: ['USER.CREATE.PASSKEY'] }),
  row('a passkey is used', 'passkey', { before: passkey, after: { ...passkey, counter: 1, used: NOW }, says: [] }),
  row('a passkey goes', 'passkey', { before: passkey, says: ['USER.DELETE.PASSKEY'] }),
  row('an identity comes', 'identity', { id: 'x', after: identity, says: ['USER.UPDATE.AUTH_PROVIDER'] }),
  row('an identity is used', 'identity', { id: 'x', before: identity, after: { ...identity, used: NOW }, says: [] }),
  row('a policy comes into force', 'policy', { after: policy, says: ['TAILNET.UPDATE.ACL "" → "{}"'] }),
  row('the default policy is put back', 'policy', { before: policy, says: ['TAILNET.UPDATE.ACL "{}" → ""'] }),
  row('a policy is proposed', 'policy-proposal', { after: proposal, says: ['TAILNET.CREATE.ACL_PROPOSAL'] }),
  row('a proposal is approved', 'policy-proposal', {
    before: proposal,
    after: { ...proposal, outcome: decided('approved') },
    says: ['TAILNET.APPROVE.ACL_PROPOSAL'],
  }),
  row('a proposal is rejected', 'policy-proposal', {
    before: proposal,
    after: { ...proposal, outcome: decided('rejected') },
    says: ['TAILNET.REVOKE.ACL_PROPOSAL'],
  }),
  row('a proposal is taken back', 'policy-proposal', {
    before: proposal,
    after: { ...proposal, outcome: decided('superseded') },
    says: ['TAILNET.CANCEL.ACL_PROPOSAL'],
  }),
  row('a machine asks to join', 'login', { scope: SERVER, id: SECRET, after: login, says: [] }),
  row('a login is approved', 'login', {
    scope: SERVER,
    id: SECRET,
    before: login,
    after: { ...login, outcome: { kind: 'approved', tailnet: T, user: 1 } },
    says: ['NODE.ACCEPT'],
  }),
  row('a login is refused', 'login', {
    scope: SERVER,
    id: SECRET,
    before: login,
    after: { ...login, outcome: { kind: 'refused', why: 'no' } },
    says: ['NODE.CANCEL'],
  }),
  row('a machine comes online', 'presence', { after: { node: 1, online: true, lastSeen: NOW, server: 's' }, says: [] }),
  row('a token was used', 'key-use', { after: { at: NOW }, says: [] }),
]

function modelWith(row: Row): Model {
  const model = new Model()
  const put = (scope: TailnetNum, change: Change) =>
    model.apply({ tailnet: scope, seq: model.state(scope).seq + 1, at: NOW, changes: [change] })
  put(SERVER, { kind: 'tailnet', id: String(T), value: tailnet })
  put(T, { kind: 'user', id: '1', value: ann })
  const { kind, scope = T, before } = row
  put(scope, { kind, id: idOf(row), value: before ?? null } as Change)
  return model
}

function idOf({ kind, id }: Row): string {
  return id ?? (kind === 'tailnet' || kind === 'user' ? '1' : 'x')
}

test('each kind of record says what its changes mean, and nothing secret', () => {
  for (const row of rows) {
    const { name, kind, scope = T, after, says } = row
    const write = { kind, id: idOf(row), expect: 'any', value: after ?? null } as Write
    const events = describe(modelWith(row), scope, [write], { ...BY, log: T }, NOW)
    const got = events.map(({ entry }, i) => {
      const values = `${JSON.stringify(entry.old)} → ${JSON.stringify(entry.new)}`
      return says[i]?.includes(' ') === true ? `${eventName(entry)} ${values}` : eventName(entry)
    })
    assert.deepEqual(got, says, name)
    assert.ok(!JSON.stringify(events).includes(SECRET), `${name}: a secret in the log`)
    for (const { log, entry } of events) {
      assert.equal(log, row.log ?? T, name)
      assert.deepEqual([entry.actor, entry.origin, entry.from], [BY.actor, BY.origin, BY.from], name)
    }
  }
})

test('what is in no tailnet’s scope goes into the server’s own log, unless it is done on a tailnet’s behalf', () => {
  const refused = rows.find(({ name }) => name === 'a login is refused') as Row
  const write = { kind: 'login', id: SECRET, expect: 'any', value: refused.after } as Write
  const logOf = (by: By) => describe(modelWith(refused), SERVER, [write], by, NOW)[0]?.log
  assert.equal(logOf(BY), SERVER)
  assert.equal(logOf({ ...BY, log: T }), T)
})

test('what goes with something else is not said twice', () => {
  const node = {
    id: 7,
    stableId: 'n7',
    name: 'web',
    tags: [],
    hostinfo: {},
    approvedRoutes: [],
  } as unknown as Kinds['node']
  const attributes = { values: { 'custom:a': { value: 1 } } }
  const model = new Model()
  const changes: Change[] = [
    { kind: 'node', id: '7', value: node },
    { kind: 'attributes', id: '7', value: attributes },
  ]
  model.apply({ tailnet: T, seq: 1, at: NOW, changes })
  const gone: Write[] = changes.map(({ kind, id }) => ({ kind, id, expect: 'any', value: null }) as Write)
  assert.deepEqual(
    describe(model, T, gone, BY, NOW).map(({ entry }) => eventName(entry)),
    ['NODE.DELETE'],
  )
  const attribute = { kind: 'attributes', id: '7', expect: 'any', value: null } as const
  assert.deepEqual(
    describe(model, T, [attribute], BY, NOW).map(({ entry }) => eventName(entry)),
    ['NODE.DELETE.ATTRIBUTES'],
  )
})
