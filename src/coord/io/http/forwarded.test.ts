import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { isIP } from 'node:net'
import { isLoopback, plainAddress, TrustedProxies } from './forwarded.ts'
import type { Client, Headers } from './forwarded.ts'

interface Row {
  readonly name: string
  readonly trusted: readonly string[]
  readonly peer: string
  readonly headers: Headers
  readonly want: Partial<Client>
}

const proxy = ['127.0.0.1', '10.0.0.0/8', 'fd00::/8']
const rows: readonly Row[] = [
  { name: 'no proxy, no header', trusted: [], peer: '192.0.2.1', headers: {}, want: { address: '192.0.2.1' } },
  {
    name: 'an IPv4 address in IPv6',
    trusted: [],
    peer: '::ffff:192.0.2.1',
    headers: {},
    want: { address: '192.0.2.1' },
  },
  { name: 'a zone', trusted: [], peer: 'fe80::1%eth0', headers: {}, want: { address: 'fe80::1' } },
  {
    name: 'a stranger who writes the header himself',
    trusted: proxy,
    peer: '192.0.2.1',
    headers: { 'x-forwarded-for': '127.0.0.1', 'x-forwarded-proto': 'https' },
    want: { address: '192.0.2.1', secure: false },
  },
  {
    name: 'nobody trusted',
    trusted: [],
    peer: '127.0.0.1',
    headers: { 'x-forwarded-for': '198.51.100.9' },
    want: { address: '127.0.0.1', secure: false },
  },
  {
    name: 'one trusted proxy',
    trusted: proxy,
    peer: '127.0.0.1',
    headers: { 'x-forwarded-for': '198.51.100.9' },
    want: { address: '198.51.100.9', secure: false },
  },
  {
    name: 'a trusted proxy, mapped',
    trusted: proxy,
    peer: '::ffff:10.1.2.3',
    headers: { 'x-forwarded-for': '198.51.100.9' },
    want: { address: '198.51.100.9' },
  },
  {
    name: 'a proxy that only appends to what the client wrote',
    trusted: proxy,
    peer: '127.0.0.1',
    headers: { 'x-forwarded-for': '10.0.0.1, 203.0.113.5, 198.51.100.9' },
    want: { address: '198.51.100.9' },
  },
  {
    name: 'two trusted proxies',
    trusted: proxy,
    peer: '127.0.0.1',
    headers: { 'x-forwarded-for': '1.1.1.1, 198.51.100.9, 10.2.3.4' },
    want: { address: '198.51.100.9' },
  },
  {
    name: 'nothing but trusted proxies',
    trusted: proxy,
    peer: '127.0.0.1',
    headers: { 'x-forwarded-for': '10.0.0.5, 10.0.0.6' },
    want: { address: '10.0.0.5' },
  },
  {
    name: 'TLS at the proxy',
    trusted: proxy,
    peer: '127.0.0.1',
    headers: { 'x-forwarded-for': '198.51.100.9', 'x-forwarded-proto': 'https' },
    want: { address: '198.51.100.9', secure: true },
  },
  {
    name: 'TLS at the outer of two proxies',
    trusted: proxy,
    peer: '127.0.0.1',
    headers: { 'x-forwarded-for': '198.51.100.9, 10.0.0.2', 'x-forwarded-proto': 'https, http' },
    want: { secure: true },
  },
  {
    name: 'a client that claims TLS in front of a proxy that appends',
    trusted: proxy,
    peer: '127.0.0.1',
    headers: { 'x-forwarded-for': '198.51.100.9', 'x-forwarded-proto': 'https, http' },
    want: { secure: false },
  },
  {
    name: 'the scheme alone',
    trusted: proxy,
    peer: '127.0.0.1',
    headers: { 'x-forwarded-proto': 'https' },
    want: { address: 'unknown', secure: true },
  },
  {
    name: 'X-Real-IP',
    trusted: proxy,
    peer: '127.0.0.1',
    headers: { 'x-real-ip': '198.51.100.9' },
    want: { address: '198.51.100.9' },
  },
  {
    name: 'Forwarded',
    trusted: proxy,
    peer: '127.0.0.1',
    headers: { forwarded: 'for=203.0.113.1;proto=http, for="[2001:db8::7]:4711";proto=https;by=10.0.0.1' },
    want: { address: '2001:db8::7', secure: true },
  },
  {
    name: 'the header that nearly all proxies write before Forwarded, which they pass on as it came',
    trusted: proxy,
    peer: '127.0.0.1',
    headers: { forwarded: 'for=198.51.100.1', 'x-forwarded-for': '203.0.113.9' },
    want: { address: '203.0.113.9' },
  },
  {
    name: 'a client that claims TLS in Forwarded, behind a proxy that writes the others',
    trusted: proxy,
    peer: '127.0.0.1',
    headers: { forwarded: 'for=1.1.1.1;proto=https', 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'http' },
    want: { address: '203.0.113.9', secure: false },
  },
  {
    name: 'a client that claims TLS in the other headers, behind a proxy that writes Forwarded',
    trusted: proxy,
    peer: '127.0.0.1',
    headers: { forwarded: 'for=203.0.113.9;proto=http', 'x-forwarded-for': '1.1.1.1', 'x-forwarded-proto': 'https' },
    want: { secure: false },
  },
  {
    name: 'Forwarded with a hidden client',
    trusted: proxy,
    peer: '127.0.0.1',
    headers: { forwarded: 'for=_hidden;proto=https' },
    want: { address: 'unknown', secure: true },
  },
  {
    name: 'Forwarded with commas in quotes',
    trusted: proxy,
    peer: '127.0.0.1',
    headers: { forwarded: 'for="a,b";host="x,y", for=198.51.100.1' },
    want: { address: '198.51.100.1' },
  },
  {
    name: 'rubbish',
    trusted: proxy,
    peer: '127.0.0.1',
    headers: { 'x-forwarded-for': 'localhost' },
    want: { address: 'unknown' },
  },
  {
    name: 'a header of 10 kB',
    trusted: proxy,
    peer: '127.0.0.1',
    headers: { 'x-forwarded-for': '1.2.3.4,'.repeat(1300) },
    want: { address: 'unknown' },
  },
  {
    name: 'a port behind the address',
    trusted: proxy,
    peer: '127.0.0.1',
    headers: { 'x-forwarded-for': '198.51.100.9:5555' },
    want: { address: '198.51.100.9' },
  },
  {
    name: 'the header twice',
    trusted: proxy,
    peer: '127.0.0.1',
    headers: { 'x-forwarded-for': ['203.0.113.1', '198.51.100.9'] },
    want: { address: '198.51.100.9' },
  },
  {
    name: 'loopback trusted by name',
    trusted: ['loopback'],
    peer: '::1',
    headers: { 'x-forwarded-for': '198.51.100.9' },
    want: { address: '198.51.100.9' },
  },
  {
    name: 'a socket without an address',
    trusted: proxy,
    peer: '',
    headers: { 'x-forwarded-for': '198.51.100.9' },
    want: { address: 'unknown', secure: false },
  },
]
for (const { name, trusted, peer, headers, want } of rows) {
  test(`${name}: ${JSON.stringify(want)}`, () => {
    const client = new TrustedProxies(trusted).client(peer, headers)
    assert.deepEqual({ ...client, ...want }, client)
  })
}

test('whatever strangers write, they stay who they are; whatever proxies pass on, it is an address or unknown', () => {
  const value = fc.oneof(
    fc.string(),
    fc.ipV4(),
    fc.ipV6(),
    fc.constantFrom('for=', 'for="[::1]"', ',', ';', '"', '10.0.0.1, '),
  )
  const header = fc.array(value).map((parts) => parts.join(''))
  fc.assert(
    fc.property(header, header, header, fc.constantFrom('192.0.2.1', '10.0.0.1'), (a, b, c, peer) => {
      const headers = { forwarded: a, 'x-forwarded-for': b, 'x-forwarded-proto': c }
      const { address, secure } = new TrustedProxies(['10.0.0.0/8']).client(peer, headers)
      if (peer === '192.0.2.1') assert.deepEqual({ address, secure }, { address: '192.0.2.1', secure: false })
      else assert.ok(address === 'unknown' || isIP(address) !== 0, address)
    }),
  )
})

test('addresses in whatever clothes', () => {
  assert.equal(plainAddress('[::1]:80'), '::1')
  assert.equal(plainAddress('::FFFF:10.0.0.1'), '10.0.0.1')
  assert.equal(plainAddress('010.0.0.1'), undefined)
  assert.equal(plainAddress('host'), undefined)
  assert.ok(isLoopback('127.9.9.9') && isLoopback('::1') && isLoopback('::ffff:127.0.0.1'))
  assert.ok(!isLoopback('10.0.0.1') && !isLoopback('') && !isLoopback(undefined))
})
