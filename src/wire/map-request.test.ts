/** Map requests: what real daemons sent, member by member, and what of strangers' words is taken, left out or refused. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { recorded } from '../../test/support/recorded.ts'
import { utf8 } from '../base/bytes.ts'
import { MeshError } from '../base/errors.ts'
import { readMapRequest } from './map-request.ts'
import type { MapRequest } from './map-request.ts'

function read(body: unknown): MapRequest {
  return readMapRequest(utf8(typeof body === 'string' ? body : JSON.stringify(body)))
}

for (const { name, body } of recorded('map'))
  test(`recorded: ${name}`, () => {
    assert.deepEqual(read(body), {
      version: 145,
      nodeKey: body.NodeKey,
      discoKey: body.DiscoKey,
      stream: body.Stream ?? false,
      omitPeers: body.OmitPeers ?? false,
      readOnly: false,
      hostinfo: body.Hostinfo,
      ...(body.Endpoints === undefined ? {} : { endpoints: body.Endpoints }),
    })
  })

test('of its flags, the one that it does not forward counts', () => {
  for (const [flags, want] of [
    [['warn-etc-apt-source-disabled', 'warn-ip-forwarding-off'], true],
    [['warn-router-unhealthy'], undefined],
    [[], undefined],
    [undefined, undefined],
  ])
    assert.equal(read({ DebugFlags: flags }).forwardingOff, want)
  assert.throws(() => read({ DebugFlags: [1] }), MeshError)
})

const many = Array.from({ length: 100 }, (_, i) => `192.0.2.1:${i + 1}`)
const endpoints: readonly { readonly name: string; readonly sent: unknown; readonly want: readonly string[] }[] = [
  { name: 'none are none, which is not the same as not said', sent: [], want: [] },
  { name: 'repetitions are said once', sent: ['192.0.2.1:1', '192.0.2.1:1'], want: ['192.0.2.1:1'] },
  { name: 'IPv6 is written in its one form', sent: ['[2001:DB8:0:0::1]:9'], want: ['[2001:db8::1]:9'] },
  { name: 'empty texts are passed over', sent: ['', '192.0.2.1:1'], want: ['192.0.2.1:1'] },
  { name: 'link-local ones mean nothing to peers', sent: ['[fe80::1%eth0]:1', '169.254.1.1:1'], want: [] },
  { name: 'nor do those that name an interface', sent: ['[2001:db8::1%eth0]:1'], want: [] },
  { name: 'nobody has use for more than 64', sent: many, want: many.slice(0, 64) },
]
for (const { name, sent, want } of endpoints)
  test(`endpoints: ${name}`, () => assert.deepEqual(read({ Endpoints: sent }).endpoints, want))

test('latencies to more regions than there are are left out', () => {
  const all = Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`${i}-v4`, 1]))
  const { hostinfo } = read({ Hostinfo: { NetInfo: { DERPLatency: all } } })
  assert.equal(Object.keys(hostinfo?.NetInfo?.DERPLatency ?? {}).length, 1024)
})

test('what the host says is kept without what says nothing', () => {
  const { hostinfo } = read({
    Hostinfo: {
      Hostname: 'a',
      OS: '',
      RoutableIPs: ['10.1.2.3/8'],
      Services: [],
      NetInfo: { PreferredDERP: 2, DERPLatency: { '2-v4': 0.5, nonsense: 1 } },
      Unknown: { a: 1 },
    },
  })
  assert.deepEqual(hostinfo, {
    Hostname: 'a',
    RoutableIPs: ['10.1.2.3/8'],
    NetInfo: { PreferredDERP: 2, DERPLatency: { '2-v4': 0.5 } },
  })
})

const refused: readonly { readonly name: string; readonly body: unknown; readonly says: RegExp }[] = [
  { name: 'an endpoint without a port', body: { Endpoints: ['192.0.2.1'] }, says: /Endpoints\[0\]/ },
  { name: 'an endpoint of a name', body: { Endpoints: ['host:1'] }, says: /Endpoints\[0\]/ },
  { name: 'more endpoints than anybody has', body: { Endpoints: Array(1025).fill('') }, says: /Endpoints: longer/ },
  { name: 'a route that is no prefix', body: { Hostinfo: { RoutableIPs: ['10.0.0.0'] } }, says: /RoutableIPs\[0\]/ },
  { name: 'a service on no port', body: { Hostinfo: { Services: [{ Port: 65_536 }] } }, says: /Port/ },
  { name: 'a host name longer than any', body: { Hostinfo: { Hostname: 'a'.repeat(1025) } }, says: /Hostname/ },
  { name: 'more tags than any node has', body: { Hostinfo: { RequestTags: many.concat(many) } }, says: /RequestTags/ },
  {
    name: 'a home relay that is no region',
    body: { Hostinfo: { NetInfo: { PreferredDERP: 65_536 } } },
    says: /PreferredDERP/,
  },
  { name: 'a negative home relay', body: { Hostinfo: { NetInfo: { PreferredDERP: -1 } } }, says: /PreferredDERP/ },
  { name: 'a capability version beyond 32 bits', body: { Version: 2 ** 31 }, says: /Version/ },
  {
    name: 'a priority beyond 32 bits',
    body: { Hostinfo: { Location: { Priority: -(2 ** 31) - 1 } } },
    says: /Priority/,
  },
  { name: 'a disco key of another kind', body: { DiscoKey: `nodekey:${'1'.repeat(64)}` }, says: /DiscoKey/ },
]
for (const { name, body, says } of refused)
  test(`refused: ${name}`, () => {
    assert.throws(
      () => read(body),
      (error) => error instanceof MeshError && error.code === 'json/malformed' && says.test(error.message),
    )
  })
