import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '../../base/bytes.ts'
import { readMapResponse } from '../../wire/map-response.ts'
import type { MapResponse } from '../../wire/map-response.ts'
import { believed } from './believed.ts'
import { NO_CEILING } from './ceiling.ts'
import type { Ceiling, Forbiddable } from './ceiling.ts'

const forbidding = (...what: Forbiddable[]): Ceiling => ({ ...NO_CEILING, file: '/x', forbids: new Set(what) })
const key = (n: number): string => `nodekey:${n.toString(16).padStart(64, '0')}`
const node = (id: number, addresses: readonly string[], allowed: readonly string[]): object => ({
  ID: id,
  StableID: `n${id}`,
  Name: `n${id}.example.net.`,
  User: 1,
  Key: key(id),
  Addresses: addresses,
  AllowedIPs: allowed,
})
const OWN = ['100.64.0.2/32', 'fd7a:115c:a1e0::2/128']
/** A server that gives what it can. */
const GREEDY: MapResponse = readMapResponse(
  utf8(
    JSON.stringify({
      Node: {
        ...node(1, ['100.64.0.1/32'], ['100.64.0.1/32']),
        CapMap: {
          'https://tailscale.com/cap/ssh': null,
          'https://tailscale.com/cap/file-sharing': null,
          'https://tailscale.com/cap/is-admin': null,
        },
      },
      Peers: [
        node(
          2,
          [...OWN, '203.0.113.7/32', '198.51.100.0/24'],
          [
            ...OWN,
            '203.0.113.7/32',
            '198.51.100.0/24',
            '10.0.0.0/8',
            '0.0.0.0/1',
            '128.0.0.0/1',
            '100.64.0.0/10',
            '0.0.0.0/0',
            '::/0',
          ],
        ),
      ],
      PeersChanged: [node(3, ['192.168.1.1/32'], ['192.168.1.1/32'])],
      SSHPolicy: { rules: [] },
    }),
  ),
)

test('without a ceiling everything counts', () => {
  assert.equal(believed(NO_CEILING, GREEDY), GREEDY)
})

test('capabilities of what is forbidden are not seen', () => {
  const names = (message: MapResponse): string[] =>
    [...(message.Node?.CapMap?.keys() ?? [])].map((name) => name.slice(26))
  assert.deepEqual(names(GREEDY), ['ssh', 'file-sharing', 'is-admin'])
  assert.deepEqual(names(believed(forbidding('ssh'), GREEDY)), ['file-sharing', 'is-admin'])
  assert.deepEqual(names(believed(forbidding('file-transfer'), GREEDY)), ['ssh', 'is-admin'])
  assert.equal(believed(forbidding('ssh'), GREEDY).SSHPolicy, undefined)
  assert.notEqual(believed(forbidding('file-transfer'), GREEDY).SSHPolicy, undefined)
})

test('where no routes are taken, a peer has the addresses of a node and no others, whatever the server calls its own', () => {
  const { Peers, PeersChanged } = believed(forbidding('accept-routes'), GREEDY)
  assert.deepEqual(Peers?.[0]?.AllowedIPs, [...OWN, '0.0.0.0/0', '::/0'])
  assert.deepEqual(Peers[0].Addresses, OWN)
  assert.deepEqual([PeersChanged?.[0]?.AllowedIPs, PeersChanged?.[0]?.Addresses], [[], []])
  assert.equal(believed(forbidding('use-exit-node'), GREEDY).Peers, GREEDY.Peers)
})
