import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { utf8 } from '../../base/bytes.ts'
import type { Wall } from '../../base/clock.ts'
import { formatIp } from '../../base/ip.ts'
import type { MapNode } from '../../wire/map-node.ts'
import { readMapResponse } from '../../wire/map-response.ts'
import type { MapResponse } from '../../wire/map-response.ts'
import { NetworkMap } from '../control/netmap.ts'
import type { PingResponse } from '../control/pings.ts'
import type { PingAnswer } from '../engine.ts'
import type { Endpoint } from '../path/index.ts'
import { answerServerPing, pingPeer } from './peer-pings.ts'
import type { PingingNode } from './peer-pings.ts'

describe('pings of a peer', () => {
  const heads: string[] = []
  let status = 200
  const server = createServer((request, response) => {
    heads.push(`${request.method} ${request.url} ${request.headers.origin ?? ''}`)
    response.writeHead(status).end()
  })
  let port = 0
  before(async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    ;({ port } = server.address() as AddressInfo)
  })
  after(() => server.close())

  const asked: string[] = []
  const VIA: PingAnswer = { latencyMs: 20, via: { region: 7 } }
  /** A node whose one peer has an address where the test's own server stands for its PeerAPI. */
  function world(part: { readonly answer?: PingAnswer | undefined; readonly peerApi?: number } = {}): PingingNode {
    const answer = 'answer' in part ? part.answer : VIA
    const nodeOf = (id: number, name: string, addresses: readonly string[], more: object = {}): object => ({
      ID: id,
      StableID: `n${id}`,
      Name: `${name}.example.net.`,
      User: 1,
      Key: `nodekey:${String(id).padStart(64, '0')}`,
      Addresses: addresses,
      AllowedIPs: addresses,
      ...more,
    })
    const services = { Hostinfo: { Services: [{ Proto: 'peerapi4', Port: part.peerApi ?? port }] } }
    const message = readMapResponse(
      utf8(
        JSON.stringify({
          Node: nodeOf(1, 'anna', ['100.64.0.1/32']),
          Peers: [
            nodeOf(2, 'ben', ['127.0.0.1/32'], { ...services, AllowedIPs: ['127.0.0.1/32', '10.0.0.0/8'] }),
            nodeOf(3, 'carl', ['100.64.0.3/32'], { AllowedIPs: ['100.64.0.3/32', '10.7.0.0/16'] }),
          ],
        }),
      ),
    ) as MapResponse & { readonly Node: MapNode }
    const region = { RegionCode: 'home' }
    return {
      netmap: new NetworkMap(message, 0 as Wall),
      relayMap: { regions: new Map([[7, region]]), scores: new Map() } as unknown as PingingNode['relayMap'],
      tunnel: {
        tunnel: {} as PingingNode['tunnel']['tunnel'],
        ping: async (peer, size) => {
          asked.push(`disco ${peer.at(-1)} ${size}`)
          return answer
        },
        pingInside: async (kind, peer, dst) => {
          asked.push(`${kind} ${peer.at(-1)} ${formatIp(dst)}`)
          return answer && { latencyMs: answer.latencyMs, ...(kind === 'TSMP' ? { peerApiPort: 36467 } : {}) }
        },
      },
    }
  }

  test('each way asks what it is for, and tells it as official daemons do', async () => {
    const pong = { kind: 'pong', nodeName: 'ben', latencyMs: 20 }
    const rows = [
      ['127.0.0.1', 'disco', { ...pong, nodeIp: '127.0.0.1', relay: { region: 7, code: 'home' } }, 'disco 2 9'],
      ['127.0.0.1', 'TSMP', { ...pong, nodeIp: '127.0.0.1', peerApiPort: 36467 }, 'TSMP 2 127.0.0.1'],
      ['10.9.0.1', 'ICMP', { ...pong, nodeIp: '10.9.0.1' }, 'ICMP 2 10.9.0.1'],
      ['10.7.0.1', 'ICMP', { ...pong, nodeName: 'carl', nodeIp: '10.7.0.1' }, 'ICMP 3 10.7.0.1'],
      ['100.64.0.1', 'ICMP', { kind: 'local' }, undefined],
      ['203.0.113.1', 'ICMP', { kind: 'failed', why: 'no matching peer' }, undefined],
    ] as const
    for (const [ip, type, want, question] of rows) {
      asked.length = 0
      assert.deepEqual([await pingPeer(world(), ip, type, 9), asked[0]], [want, question], `${type} ${ip}`)
    }
    const direct = await pingPeer(
      world({ answer: { latencyMs: 1, via: { endpoint: '1.2.3.4:5' as Endpoint } } }),
      '127.0.0.1',
      'disco',
      0,
    )
    assert.deepEqual(direct, { ...pong, latencyMs: 1, nodeIp: '127.0.0.1', endpoint: '1.2.3.4:5' })
  })

  test('PeerAPI is asked for its head, where the peer says that it is', async () => {
    heads.length = 0
    const outcome = await pingPeer(world(), '127.0.0.1', 'peerapi', 0)
    assert.equal(outcome.kind, 'pong')
    assert.deepEqual(heads, ['HEAD / '])
    const { nodeName, peerApiUrl } = outcome as { readonly nodeName: string; readonly peerApiUrl?: string }
    assert.deepEqual([nodeName, peerApiUrl], ['ben.example.net.', `http://127.0.0.1:${port}`])
    status = 403
    assert.deepEqual(await pingPeer(world(), '127.0.0.1', 'peerapi', 0), { kind: 'failed', why: 'HTTP status 403' })
    status = 200
    const shut = await pingPeer(world({ peerApi: 1 }), '127.0.0.1', 'peerapi', 0)
    assert.match((shut as { readonly why: string }).why, /ECONNREFUSED/)
    const none = await pingPeer(world(), '100.64.0.3', 'peerapi', 0)
    assert.deepEqual(none, { kind: 'failed', why: 'no PeerAPI base found for peer' })
  })

  test('the server gets an answer for each way that worked, none for those that did not, and an end', async () => {
    const answers: (PingResponse | undefined)[] = []
    const types = ['disco', 'TSMP', 'peerapi', 'strange']
    await answerServerPing(world({ peerApi: 1 }), { ip: '127.0.0.1', types }, (answer) => answers.push(answer))
    assert.deepEqual(new Set(answers.map((answer) => answer?.Type)), new Set(['TSMP', 'disco', undefined]))
    assert.equal(answers.length, 3)
    assert.equal(answers.at(-1), undefined)
    assert.deepEqual(
      answers.find((answer) => answer?.Type === 'TSMP'),
      {
        Type: 'TSMP',
        IP: '127.0.0.1',
        NodeIP: '127.0.0.1',
        NodeName: 'ben',
        LatencySeconds: 0.02,
        PeerAPIPort: 36467,
      },
    )
    answers.length = 0
    await answerServerPing(world({ answer: undefined }), { ip: '127.0.0.1', types: ['TSMP'] }, (a) => answers.push(a))
    await answerServerPing(world(), { ip: 'no address', types: ['TSMP'] }, (answer) => answers.push(answer))
    assert.deepEqual(answers, [undefined, undefined])
  })
})
