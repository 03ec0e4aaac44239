/** Own endpoints: which sources win, which local addresses are told, what is remembered, and when to look again. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Mono } from '../../base/clock.ts'
import { formatIp, parseIp } from '../../base/ip.ts'
import type { Ip } from '../../base/ip.ts'
import { isPingable, readEndpoint } from './endpoint.ts'
import type { Endpoint } from './endpoint.ts'
import { EndpointMemory } from './endpoint-memory.ts'
import { ENDPOINT_TYPE } from '../../wire/control-requests.ts'
import { collectEndpoints, localAddresses, NO_SOURCES } from './own-endpoints.ts'
import type { EndpointSources, OwnEndpoint } from './own-endpoints.ts'
import { Refresh } from './refresh.ts'

const ip = (text: string) => parseIp(text) as Ip
const e = (text: string) => readEndpoint(text) as Endpoint
const eth = (...ips: string[]) => ({ name: 'eth0', up: true, addresses: ips.map(ip) })

test('endpoints have one text each, and some are nowhere', () => {
  assert.equal(readEndpoint('[::ffff:192.0.2.1]:5'), '192.0.2.1:5')
  assert.equal(readEndpoint('[2001:DB8:0::1]:5'), '[2001:db8::1]:5')
  assert.equal(readEndpoint('192.0.2.1'), undefined)
  const rows = [
    ['192.0.2.1:5', true],
    ['127.0.0.1:5', true],
    ['[fd00::1]:5', true],
    ['192.0.2.1:0', false],
    ['0.0.0.0:5', false],
    ['239.1.2.3:5', false],
    ['255.255.255.255:5', false],
    ['[fe80::1]:5', false],
    ['[ff02::1]:5', false],
    ['[::]:5', false],
  ] as const
  for (const [text, want] of rows) {
    const host = text.slice(0, text.lastIndexOf(':')).replace(/[[\]]/g, '')
    assert.equal(isPingable({ ip: ip(host), port: Number(text.slice(text.lastIndexOf(':') + 1)) }), want, text)
  }
})

test('local addresses: regular ones, or what there is', () => {
  const rows: { name: string; has: string[]; want: string[]; loopbackToo?: boolean }[] = [
    { name: 'both families', has: ['192.168.1.2', '2001:db8::1'], want: ['192.168.1.2', '2001:db8::1'] },
    {
      name: 'two IPv6 at most',
      has: ['2001:db8::1', '2001:db8::2', '2001:db8::3'],
      want: ['2001:db8::1', '2001:db8::2'],
    },
    { name: 'none of the tailnet', has: ['100.64.0.1', 'fd7a:115c:a1e0::1', '10.0.0.1'], want: ['10.0.0.1'] },
    { name: 'no IPv6 link-local', has: ['fe80::1', '10.0.0.1'], want: ['10.0.0.1'] },
    { name: 'link-local and ULA only alone', has: ['169.254.1.1', 'fd00::1', '10.0.0.1'], want: ['10.0.0.1'] },
    {
      name: 'they are better than nothing',
      has: ['169.254.1.1', 'fd00::1', '127.0.0.1'],
      want: ['169.254.1.1', 'fd00::1'],
    },
    { name: 'loopback when there is nothing at all', has: ['127.0.0.1', '::1'], want: ['127.0.0.1', '::1'] },
    { name: 'not when others are known', has: ['127.0.0.1'], want: [], loopbackToo: false },
  ]
  for (const { name, has, want, loopbackToo = true } of rows)
    assert.deepEqual(localAddresses([eth(...has)], loopbackToo).map(formatIp), want, name)
  assert.deepEqual(localAddresses([{ ...eth('10.0.0.1'), up: false }], true), [])
})

test('the likeliest come first, and each has the type of its first source', () => {
  const sources: EndpointSources = {
    ...NO_SOURCES,
    interfaces: [eth('10.0.0.1', '198.51.100.9')],
    localPort: 41641,
    portMapped: e('198.51.100.1:1'),
    stun4: [e('198.51.100.9:41641'), e('198.51.100.1:1')],
    stun6: [e('[2001:db8::9]:9')],
    configuredPort: 41641,
    cloud: [ip('192.0.2.7')],
    remembered: [{ endpoint: e('198.51.100.9:4'), type: 'stun' }],
    explicit: [e('192.0.2.8:8'), e('100.64.0.1:8')],
  }
  const told = (s: EndpointSources) => collectEndpoints(s).map((x) => `${x.endpoint} ${ENDPOINT_TYPE[x.type]}`)
  assert.deepEqual(told(sources), [
    '198.51.100.1:1 3',
    '198.51.100.9:41641 2',
    '[2001:db8::9]:9 2',
    '192.0.2.7:41641 1',
    '198.51.100.9:4 2',
    '192.0.2.8:8 5',
    '10.0.0.1:41641 1',
  ])
  const varies = { ...sources, stun4: [e('198.51.100.9:700')], mappingVaries: true }
  assert.equal(told(varies)[3], '198.51.100.9:41641 4')
  assert.ok(!told({ ...varies, configuredPort: 0 }).some((text) => text.endsWith(' 4')))
  assert.deepEqual(told({ ...NO_SOURCES, localPort: 5, interfaces: sources.interfaces, boundTo: ip('10.0.0.1') }), [
    '10.0.0.1:5 1',
  ])
})

test('endpoints that others saw are remembered for 5 min 10 s, six ports of an address', () => {
  const memory = new EndpointMemory()
  const seen = (port: number): OwnEndpoint => ({ endpoint: e(`198.51.100.1:${port}`), type: 'stun' })
  memory.note([seen(1), { endpoint: e('10.0.0.1:1'), type: 'local' }], 0 as Mono)
  for (let port = 2; port <= 9; port++) memory.note([seen(port)], (port * 1000) as Mono)
  const ports = (now: number) => memory.recall(now as Mono).map((x) => Number(x.endpoint.split(':')[1]))
  assert.deepEqual(ports(10_000), [9, 8, 7, 6, 5, 4])
  memory.note([seen(1)], 11_000 as Mono)
  assert.deepEqual(ports(12_000), [1, 9, 8, 7, 6, 5])
  assert.deepEqual(ports(317_500), [1, 9, 8])
  memory.clear()
  assert.deepEqual(ports(317_500), [])
})

test('looks: one at a time, again when asked meanwhile, and periodically while the node is used', () => {
  const refresh = new Refresh(() => 0.5)
  const needs = { networkUp: true, hasHome: true, hasPeers: true, hasKey: true }
  assert.equal(refresh.want('link changed'), 'link changed')
  assert.equal(refresh.want('peers'), undefined)
  assert.equal(refresh.want('rebind'), undefined)
  assert.equal(refresh.done(1000 as Mono), 'rebind')
  assert.equal(refresh.done(2000 as Mono), undefined)
  assert.equal(refresh.deadline(), Infinity)
  refresh.setNeeds(needs)
  refresh.used(2000 as Mono)
  assert.equal(refresh.want('used'), 'used')
  assert.equal(refresh.done(3000 as Mono), undefined)
  assert.equal(refresh.deadline(), 26_000)
  assert.equal(refresh.tick(25_999 as Mono), undefined)
  assert.equal(refresh.tick(26_000 as Mono), 'periodic')
  assert.equal(refresh.done(26_100 as Mono), undefined)
  // Idle for more than 45 s by then.
  assert.equal(refresh.tick(49_100 as Mono), undefined)
  assert.equal(refresh.deadline(), Infinity)
  refresh.used(50_000 as Mono)
  for (const missing of Object.keys(needs)) {
    refresh.setNeeds({ ...needs, [missing]: false })
    assert.equal(refresh.want('x'), 'x')
    refresh.done(50_000 as Mono)
    assert.equal(refresh.deadline(), Infinity, missing)
  }
})

test('a look that nobody answers is repeated soon, less and less often, and not for ever', () => {
  const refresh = new Refresh(() => 0.5)
  let now = 0
  assert.equal(refresh.want('start'), 'start')
  for (const pause of [1000, 2000, 4000, 8000]) {
    assert.equal(refresh.done(now as Mono, false), undefined)
    assert.equal(refresh.deadline(), now + pause)
    assert.equal(refresh.tick((now + pause - 1) as Mono), undefined)
    now += pause
    assert.equal(refresh.tick(now as Mono), 'nobody answered')
  }
  refresh.done(now as Mono, false)
  assert.equal(refresh.deadline(), Infinity)
  // An answer ends it, and it begins anew.
  refresh.want('link changed')
  refresh.done(now as Mono)
  assert.equal(refresh.deadline(), Infinity)
  refresh.want('link changed')
  refresh.done(now as Mono, false)
  assert.equal(refresh.deadline(), now + 1000)
})
