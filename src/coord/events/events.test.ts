/** What webhooks are told: which entries of the log are which events, who hears of them, and how they are signed. */

import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { textOf, utf8 } from '../../base/bytes.ts'
import { DAY_MS, HOUR_MS, later } from '../../base/clock.ts'
import type { Wall } from '../../base/clock.ts'
import { Secret } from '../../base/secret.ts'
import { SUBSCRIPTIONS, toldAs } from '../../wire/webhook-events.ts'
import type { EventType, WebhookEvent } from '../../wire/webhook-events.ts'
import type { AuditEntry, AuditValue } from '../model/audit.ts'
import { TailnetState } from '../model/model.ts'
import { DEFAULT_SETTINGS } from '../model/records.ts'
import type { Node, Tailnet } from '../model/records.ts'
import { deliveryOf, fitting, SIGNATURE_HEADER, toldTo } from './delivery.ts'
import { happenedIn, testOf } from './events.ts'
import { noticesBetween } from './notices.ts'

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5) as Wall
const record: Tailnet = {
  num: 1,
  stableId: 'TabcCNTRL',
  name: 'home',
  domain: 'home.sett.internal',
  created: NOW,
  settings: DEFAULT_SETTINGS,
}
const node = {
  id: 7,
  stableId: 'n7CNTRL',
  user: 3,
  tags: [],
  name: 'laptop',
  loggedIn: later(NOW, -30 * DAY_MS),
  keyExpiryDisabled: false,
} as unknown as Node

function world(...nodes: Node[]) {
  const state = new TailnetState(1)
  state.put({ kind: 'user', id: '3', value: { id: 3, loginName: 'anna@example.com' } as never }, 1)
  for (const one of nodes) state.put({ kind: 'node', id: String(one.id), value: one }, 1)
  return { state, record, url: 'https://sett.test' }
}

interface Said {
  readonly target: string
  readonly action: string
  readonly old?: AuditValue
  readonly new?: AuditValue
  readonly id?: string
}
function entry({ target, action, id = 'n7CNTRL', ...values }: Said): AuditEntry {
  const [type = '', property] = target.split('.')
  const names: Record<string, string> = { NODE: 'laptop', USER: 'bob@example.com', WEBHOOK_ENDPOINT: 'https://x' }
  return {
    origin: 'CONFIG_API',
    actor: { id: '3', type: 'USER', loginName: 'anna@example.com' },
    target: { id, name: names[type] ?? 'home', type, ...(property === undefined ? {} : { property }) },
    action,
    ...values,
  } as AuditEntry
}

test('each entry is the events that it means, and most are none', () => {
  const view = (authorized: boolean) => ({ user: 'anna@example.com', tags: [], authorized })
  const rows: readonly [Said, readonly EventType[]][] = [
    [{ target: 'NODE', action: 'CREATE', new: view(true) }, ['nodeCreated']],
    [{ target: 'NODE', action: 'CREATE', new: view(false) }, ['nodeCreated', 'nodeNeedsApproval']],
    [{ target: 'NODE', action: 'APPROVE', new: true }, []],
    [{ target: 'NODE', action: 'APPROVE', old: false, new: true }, ['nodeApproved']],
    [{ target: 'NODE', action: 'REVOKE', old: true, new: false }, ['nodeNeedsApproval']],
    [{ target: 'NODE', action: 'DELETE', old: view(true) }, ['nodeDeleted']],
    [{ target: 'NODE.KEY_EXPIRY_TIME', action: 'EXPIRED', new: '2026-01-02T03:04:00Z' }, ['nodeKeyExpired']],
    [{ target: 'NODE.KEY_EXPIRY_TIME', action: 'UPDATE', new: '2026-01-02T03:04:00Z' }, []],
    [{ target: 'NODE.MACHINE_NAME', action: 'UPDATE', old: 'a', new: 'b' }, []],
    [{ target: 'NODE', action: 'LOGIN' }, []],
    [{ target: 'TAILNET.ACL', action: 'UPDATE', old: '{}', new: '{"acls":[]}' }, ['policyUpdate']],
    [{ target: 'TAILNET.DNS_CONFIG', action: 'UPDATE' }, []],
    [{ target: 'USER', action: 'CREATE', new: { status: 'active' } }, ['userCreated']],
    [{ target: 'USER', action: 'CREATE', new: { status: 'needs-approval' } }, ['userCreated', 'userNeedsApproval']],
    [{ target: 'USER', action: 'APPROVE' }, ['userApproved']],
    [{ target: 'USER', action: 'REVOKE' }, ['userNeedsApproval']],
    [{ target: 'USER', action: 'SUSPEND' }, ['userSuspended']],
    [{ target: 'USER', action: 'RESTORE' }, ['userRestored']],
    [{ target: 'USER', action: 'DELETE' }, ['userDeleted']],
    [{ target: 'USER.USER_ROLE', action: 'UPDATE', old: 'member', new: 'admin' }, ['userRoleUpdated']],
    [{ target: 'USER.ATTRIBUTES', action: 'UPDATE' }, []],
    [{ target: 'API_KEY', action: 'CREATE' }, []],
    [{ target: 'WEBHOOK_ENDPOINT.SECRET', action: 'UPDATE', id: 'mine' }, ['webhookUpdated']],
    [{ target: 'WEBHOOK_ENDPOINT.SUBSCRIBED_EVENTS', action: 'UPDATE', id: 'others' }, []],
  ]
  for (const [said, want] of rows) {
    const one = { number: 1, at: NOW, group: '1-1', entry: entry(said) }
    const got = happenedIn(one, world(node), 'mine')
    assert.deepEqual(
      got.map(({ type }) => type),
      want,
      JSON.stringify(said),
    )
    for (const { message } of got) assert.ok(!message.includes('undefined') && message.length > 10, message)
  }
})

test('data has the members of its type, also of what is gone', () => {
  const tell = (said: Said, about = world(node)) =>
    happenedIn({ number: 1, at: NOW, group: '1-1', entry: entry(said) }, about, 'mine')[0]?.data
  const of = {
    nodeID: 'n7CNTRL',
    deviceName: 'laptop.home.sett.internal',
    managedBy: 'anna@example.com',
    url: 'https://sett.test/api/v2/device/n7CNTRL',
    actor: 'anna@example.com',
  }
  assert.deepEqual(tell({ target: 'NODE', action: 'CREATE', new: { authorized: true } }), of)
  assert.deepEqual(
    tell({ target: 'NODE', action: 'DELETE', old: { user: 'bob', tags: ['tag:a', 'tag:b'] } }, world()),
    { ...of, managedBy: 'tag:a tag:b' },
  )
  assert.deepEqual(tell({ target: 'NODE.KEY_EXPIRY_TIME', action: 'EXPIRED', new: '2026-01-02T03:04:00Z' }), {
    ...of,
    expiration: '2026-01-02T03:04:00Z',
  })
  assert.deepEqual(tell({ target: 'USER.USER_ROLE', action: 'UPDATE', id: '9', old: 'member', new: 'admin' }), {
    user: 'bob@example.com',
    url: 'https://sett.test/api/v2/users/9',
    actor: 'anna@example.com',
    oldRoles: ['member'],
    newRoles: ['admin'],
  })
  assert.deepEqual(tell({ target: 'TAILNET.ACL', action: 'UPDATE', old: '', new: '{}' }), {
    newPolicy: '{}',
    oldPolicy: '',
    url: 'https://sett.test/api/v2/tailnet/-/acl',
    actor: 'anna@example.com',
  })
})

test('an endpoint hears of what it subscribed to, by category and by old names too', () => {
  const rows: readonly [readonly string[], EventType, string | undefined][] = [
    [['nodeCreated'], 'nodeCreated', 'nodeCreated'],
    [['nodeCreated'], 'nodeDeleted', undefined],
    [[], 'nodeCreated', undefined],
    [[], 'test', 'test'],
    [[], 'webhookUpdated', 'webhookUpdated'],
    [['categoryTailnetManagement'], 'userRoleUpdated', 'userRoleUpdated'],
    [['categoryTailnetManagement'], 'subnetIPForwardingNotEnabled', undefined],
    [['categoryDeviceMisconfigurations'], 'exitNodeIPForwardingNotEnabled', 'exitNodeIPForwardingNotEnabled'],
    [['categoryDeviceMisconfigurations'], 'policyUpdate', undefined],
    [['nodeAuthorized'], 'nodeApproved', 'nodeAuthorized'],
    [['nodeNeedsAuthorization'], 'nodeNeedsApproval', 'nodeNeedsAuthorization'],
    [['nodeAuthorized', 'nodeApproved'], 'nodeApproved', 'nodeApproved'],
  ]
  for (const [subscriptions, type, want] of rows)
    assert.equal(toldAs(subscriptions, type), want, `${subscriptions.join(' ')} ${type}`)
  assert.equal(SUBSCRIPTIONS.length, 22)
})

test('a key that ends within a day is told of once, at that time, unless it was made for less', () => {
  const with_ = (more: Partial<Node>) => ({ ...node, ...more })
  const at = (expiry: number, more: Partial<Node> = {}) => with_({ keyExpiry: later(NOW, expiry), ...more })
  const rows: readonly [string, Node, number, number][] = [
    ['just then', at(DAY_MS), -HOUR_MS, 1],
    ['a moment too early', at(DAY_MS + 1), -HOUR_MS, 0],
    ['told of before', at(DAY_MS - HOUR_MS), -HOUR_MS, 0],
    ['over already', at(-1), -2 * DAY_MS, 0],
    ['never ends', at(DAY_MS, { keyExpiryDisabled: true }), -HOUR_MS, 0],
    ['has no end', with_({}), -HOUR_MS, 0],
    ['made for less than a day', at(DAY_MS - 10, { loggedIn: later(NOW, -5) }), -HOUR_MS, 0],
  ]
  for (const [name, one, since, want] of rows) {
    const found = noticesBetween(world(one), later(NOW, since), NOW)
    assert.equal(found.length, want, name)
  }
  const [found] = noticesBetween(world(at(DAY_MS)), later(NOW, -HOUR_MS), NOW)
  assert.equal(found?.data?.['expiration'], '2026-01-03T03:04:05Z')
})

test('a machine that routes and does not forward is told of once, by what it routes', () => {
  const off = (RoutableIPs: string[], more: Partial<Node> = {}) => ({
    ...node,
    forwardingOff: NOW,
    hostinfo: { RoutableIPs },
    ...more,
  })
  const rows: readonly [string, Node, number, readonly string[]][] = [
    ['a subnet', off(['10.0.0.0/8']), -1, ['subnetIPForwardingNotEnabled']],
    ['an exit node', off(['0.0.0.0/0', '::/0']), -1, ['exitNodeIPForwardingNotEnabled']],
    ['both', off(['::/0', '10.0.0.0/8']), -1, ['exitNodeIPForwardingNotEnabled', 'subnetIPForwardingNotEnabled']],
    ['nothing any more', off([]), -1, []],
    ['told of before', off(['10.0.0.0/8']), 0, []],
  ]
  for (const [name, one, since, want] of rows) {
    const found = noticesBetween(world(one), later(NOW, since), NOW)
    assert.deepEqual(
      found.map(({ type }) => type),
      want,
      name,
    )
  }
})

const event = (message: string, data: WebhookEvent['data'] = null): WebhookEvent => ({
  timestamp: '2026-01-02T03:04:05Z',
  version: 1,
  type: 'test',
  tailnet: 'home',
  message,
  data,
})
const hmac = (key: Uint8Array, text: Uint8Array) => createHmac('sha256', key).update(text).digest()

test('a delivery is signed with every secret that is good, over its time and its very bytes', () => {
  const secrets = ['tskey-webhook-a-new', 'tskey-webhook-a-old']
  const to = { url: 'https://hooks.test/x', providerType: '' } as const
  const told = [event('é'), event('b', { n: 1 })]
  const out = deliveryOf(
    to,
    secrets.map((text) => new Secret(text)),
    told,
    NOW,
    { hmac },
  )
  assert.ok(out.kind === 'http' && out.method === 'POST')
  const [t, ...signatures] = (out.headers[SIGNATURE_HEADER] as string).split(',')
  assert.equal(t, `t=${NOW / 1000}`)
  const body = textOf(out.body) as string
  assert.deepEqual(
    signatures,
    secrets.map(
      (key) =>
        `v1=${createHmac('sha256', key)
          .update(`${NOW / 1000}.${body}`)
          .digest('hex')}`,
    ),
  )
  assert.deepEqual(JSON.parse(body), told)
})

test('chats get what they take, and names of machines move nobody in them', () => {
  const body = (providerType: 'slack' | 'mattermost' | 'googlechat' | 'discord', ...events: WebhookEvent[]) => {
    const out = deliveryOf({ url: 'https://chat.test', providerType }, [new Secret('x')], events, NOW, { hmac })
    return JSON.parse(textOf(out.body) as string) as Record<string, any>
  }
  const hostile = event('Device <!channel> & @all was added by a@here.example')
  for (const type of ['slack', 'mattermost', 'googlechat'] as const) {
    assert.deepEqual(body(type, event('one'), event('two')), { text: '[home] one\n[home] two' })
    const { text } = body(type, hostile)
    assert.ok(!/<|@all/.test(text) && text.includes('&lt;!channel&gt; &amp; '), text)
  }
  const { content, allowed_mentions } = body('discord', event('x'.repeat(5000)))
  assert.ok(content.length <= 2000)
  assert.deepEqual(allowed_mentions, { parse: [] })
})

test('a delivery has room for so many events, and for one that is too large alone', () => {
  const many = Array.from({ length: 250 }, (_, i) => event(String(i)))
  assert.equal(fitting(many), 100)
  assert.equal(fitting(many, 3), 3)
  assert.equal(fitting(many.slice(0, 5)), 5)
  const large = event('x', { newPolicy: 'x'.repeat(5_000_000) })
  assert.equal(fitting([large, large]), 1)
  assert.equal(fitting([event('a'), large]), 1)
  assert.equal(utf8(JSON.stringify(testOf(NOW, 'anna'))).length < 500, true)
})

test('events say when they happened and in which tailnet', () => {
  const told = toldTo({ subscriptions: [] }, testOf(NOW, 'anna'), 'home')
  assert.deepEqual(told, {
    timestamp: '2026-01-02T03:04:05Z',
    version: 1,
    type: 'test',
    tailnet: 'home',
    message: 'This is a test event',
    data: { actor: 'anna' },
  })
})
