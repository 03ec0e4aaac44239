import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RelayNode } from '../../wire/derp-map-reader.ts'
import { targetsOf } from './targets.ts'

const NODE = { Name: '1a', RegionID: 1, HostName: 'a.test' }
const PIN = 'ab'.repeat(32)
const targets = (...Nodes: RelayNode[]) => targetsOf({ RegionID: 1, RegionCode: 'r', RegionName: 'R', Nodes })

test('what there is to dial in a node of the map', () => {
  const roots = { serverName: 'a.test', verify: { by: 'roots', name: 'a.test' } }
  const plain = { node: '1a', host: 'a.test', port: 443, ipv4: 'resolve', ipv6: 'resolve', tls: roots }
  const rows: { node: Partial<RelayNode>; want: object | undefined }[] = [
    { node: {}, want: plain },
    { node: { DERPPort: 8443 }, want: { ...plain, port: 8443 } },
    { node: { DERPPort: -1 }, want: undefined },
    { node: { DERPPort: 65_536 }, want: undefined },
    {
      node: { IPv4: '192.0.2.1', IPv6: '2001:db8::1' },
      want: { ...plain, ipv4: { ip: '192.0.2.1' }, ipv6: { ip: '2001:db8::1' } },
    },
    { node: { IPv4: 'none' }, want: { ...plain, ipv4: 'none' } },
    { node: { IPv4: '2001:db8::1' }, want: { ...plain, ipv4: 'none' } },
    { node: { IPv4: 'none', IPv6: 'none' }, want: undefined },
    { node: { STUNOnly: true }, want: undefined },
    {
      node: { HostName: '192.0.2.9' },
      want: {
        ...plain,
        host: '192.0.2.9',
        ipv4: { ip: '192.0.2.9' },
        ipv6: 'none',
        tls: { verify: { by: 'roots', name: '192.0.2.9' } },
      },
    },
    {
      node: { HostName: '2001:db8::9' },
      want: {
        ...plain,
        host: '2001:db8::9',
        ipv4: 'none',
        ipv6: { ip: '2001:db8::9' },
        tls: { verify: { by: 'roots', name: '2001:db8::9' } },
      },
    },
    {
      node: { CertName: 'b.test' },
      want: { ...plain, tls: { serverName: 'a.test', verify: { by: 'roots', name: 'b.test' } } },
    },
    {
      node: { CertName: `sha256-raw:${PIN.toUpperCase()}` },
      want: { ...plain, tls: { serverName: 'a.test', verify: { by: 'pin', sha256: PIN, name: 'a.test' } } },
    },
    // A pin that can't be met must not become no pin.
    { node: { CertName: 'sha256-raw:' }, want: undefined },
    { node: { CertName: `sha256-raw:${PIN}00` }, want: undefined },
    { node: { CertName: 'sha256-raw:a.test' }, want: undefined },
    { node: { InsecureForTests: true }, want: { ...plain, tls: { serverName: 'a.test', verify: { by: 'nothing' } } } },
    // Names go into the head of a request.
    { node: { HostName: '' }, want: undefined },
    { node: { HostName: 'a.test\r\nX-Evil: 1' }, want: undefined },
    { node: { HostName: 'a.test/b' }, want: undefined },
    { node: { HostName: 'user@a.test' }, want: undefined },
    { node: { HostName: 'a'.repeat(254) }, want: undefined },
  ]
  for (const { node, want } of rows)
    assert.deepEqual(targets({ ...NODE, ...node }), want === undefined ? [] : [want], JSON.stringify(node))
})

test('which node is the ideal one: the first that relays, told to the others when its name is fit for a head', () => {
  const [stun, b, c] = [
    { ...NODE, Name: '1s', STUNOnly: true },
    { ...NODE, Name: '1b' },
    { ...NODE, Name: '1c' },
  ]
  const ideals = (...nodes: RelayNode[]) => targets(...nodes).map(({ node, ideal }) => [node, ideal])
  assert.deepEqual(ideals(stun, b, c), [
    ['1b', undefined],
    ['1c', '1b'],
  ])
  // One that can't be dialled is the ideal all the same.
  assert.deepEqual(ideals({ ...b, IPv4: 'none', IPv6: 'none' }, c), [['1c', '1b']])
  assert.deepEqual(ideals({ ...b, Name: 'x\r\nX-Evil: 1' }, c)[1], ['1c', undefined])
  assert.deepEqual(ideals({ ...b, Name: 'two words' }, c)[1], ['1c', undefined])
})
