import assert from 'node:assert/strict'
import { test } from 'node:test'
import { golden } from '../../../test/support/golden.ts'
import type { GoldenCase } from '../../../test/support/golden.ts'
import { parseAddressPort, parseIp } from '../../base/ip.ts'
import type { AddressPort, Ip } from '../../base/ip.ts'
import { answerPeer } from './answer.ts'
import { peerApiPorts } from './ports.ts'

test('ports follow from the address, as official clients choose them', () => {
  interface Case extends GoldenCase {
    readonly address: string
    readonly ports: readonly number[]
  }
  for (const c of golden<Case>('peerapi.json', 'ports'))
    assert.deepEqual(peerApiPorts(parseIp(c.address) as Ip), c.ports, c.name)
})

const CALL = {
  caller: { name: 'anna', address: '100.64.0.2' },
  ownName: 'ben',
  places: ['100.64.0.1:36467', '[fd7a:115c:a1e0::1]:49496'].map((text) => parseAddressPort(text) as AddressPort),
}
const HOST = '100.64.0.1:36467'

test('a peer gets a word of who we are, and nothing else is there', () => {
  const rows = [
    { method: 'GET', target: '/', host: HOST, want: 200 },
    { method: 'HEAD', target: '/', host: HOST, want: 200 },
    { method: 'GET', target: '/?x=1', host: '[fd7a:115c:a1e0::1]:49496', want: 200 },
    { method: 'GET', target: '/', host: 'peer', want: 200 },
    { method: 'POST', target: '/', host: HOST, want: 405 },
    { method: 'PUT', target: '/v0/put/x', host: HOST, want: 404 },
    { method: 'GET', target: '/v0/env', host: HOST, want: 404 },
    { method: 'POST', target: '/v0/wol', host: HOST, want: 404 },
    { method: 'GET', target: '/dns-query?q=a', host: HOST, want: 404 },
    { method: 'GET', target: '//', host: HOST, want: 404 },
    { method: 'GET', target: 'http://evil.example/', host: HOST, want: 404 },
    { method: 'GET', target: '*', host: HOST, want: 404 },
  ]
  for (const { method, target, host, want } of rows) {
    const { status, body } = answerPeer({ method, target, header: (n) => (n === 'host' ? host : undefined) }, CALL)
    assert.equal(status, want, `${method} ${target}`)
    assert.equal(body.includes('anna'), want === 200)
  }
})

test('advisory 8: whatever a web page may have caused is turned away, before it is looked at', () => {
  const rows: readonly { readonly [name: string]: string }[] = [
    { host: HOST, origin: 'http://100.64.0.1:36467' },
    { host: HOST, origin: 'null' },
    { host: HOST, referer: 'http://evil.example/' },
    { host: 'evil.example:36467' },
    { host: 'peer.evil.example' },
    { host: '100.64.0.1' },
    { host: '100.64.0.1:80' },
    { host: '127.0.0.1:36467' },
    { host: '' },
    {},
  ]
  for (const headers of rows)
    for (const target of ['/', '/v0/env']) {
      const { status, body } = answerPeer({ method: 'GET', target, header: (name) => headers[name] }, CALL)
      assert.deepEqual([status, body.includes('anna')], [403, false], JSON.stringify(headers))
    }
})
