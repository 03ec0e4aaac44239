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
import { answerServerPing, headOf, pingPeer } from './peer-pings.ts'
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
  /** A node with peers of which one says that it has a PeerAPI. */
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
    const services = { Hostinfo: { Services: [{ Proto: 'peerapi4', Port: part.peerApi ?? 36467 }] } }
    const message = readMapResponse(
      utf8(
        JSON.stringify({
          Node: nodeOf(1, 'anna', ['100.64.0.1/32']),
          Peers: [
            nodeOf(2, 'ben', ['100.64.0.2/32'], { ...services, AllowedIPs: ['100.64.0.2/32', '10.0.0.0/8'] }),
            nodeOf(3, 'carl', ['100.64.0.3/32'], { AllowedIPs: ['100.64.0.3/32', '10.7.0.0/16'] }),
            nodeOf(4, 'dora', ['127.0.0.1/32'], services),
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
      ['100.64.0.2', 'disco', { ...pong, nodeIp: '100.64.0.2', relay: { region: 7, code: 'home' } }, 'disco 2 9'],
      ['100.64.0.2', 'TSMP', { ...pong, nodeIp: '100.64.0.2', peerApiPort: 36467 }, 'TSMP 2 100.64.0.2'],
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
      '100.64.0.2',
      'disco',
      0,
    )
    assert.deepEqual(direct, { ...pong, latencyMs: 1, nodeIp: '100.64.0.2', endpoint: '1.2.3.4:5' })
  })

  test('PeerAPI is hit where the peer says that it is, at an address that only nodes have', async () => {
    const hit: string[] = []
    const ping = (ip: string, why?: string): ReturnType<typeof pingPeer> =>
      pingPeer(world({ peerApi: 36467 }), ip, 'peerapi', 0, async (url) => {
        hit.push(url)
        return why
      })
    const outcome = await ping('100.64.0.2')
    const url = 'http://100.64.0.2:36467'
    assert.deepEqual(
      { ...outcome, latencyMs: 0 },
      { kind: 'pong', nodeIp: '100.64.0.2', nodeName: 'ben.example.net.', latencyMs: 0, peerApiUrl: url },
    )
    assert.deepEqual(await ping('100.64.0.2', 'HTTP status 403'), { kind: 'failed', why: 'HTTP status 403' })
    assert.deepEqual(hit, [url, url])
    const none = { kind: 'failed', why: 'no PeerAPI base found for peer' }
    assert.deepEqual(await ping('100.64.0.3'), none, 'says nothing of it')
    assert.deepEqual(await ping('127.0.0.1'), none, 'is said to have an address of this machine’s own')
    assert.equal(hit.length, 2)
  })

  test('a page’s head is asked for, and nothing else', async () => {
    heads.length = 0
    assert.equal(await headOf(`http://127.0.0.1:${port}`), undefined)
    assert.deepEqual(heads, ['HEAD / '])
    status = 403
    assert.equal(await headOf(`http://127.0.0.1:${port}`), 'HTTP status 403')
    status = 200
    assert.match((await headOf('http://127.0.0.1:1')) ?? '', /ECONNREFUSED/)
  })

  test('the server gets an answer for each way that worked, none for those that did not, and an end', async () => {
    const answers: (PingResponse | undefined)[] = []
    const types = ['disco', 'TSMP', 'peerapi', 'strange']
    await answerServerPing(world({ peerApi: 0 }), { ip: '100.64.0.2', types }, (answer) => answers.push(answer))
    assert.deepEqual(new Set(answers.map((answer) => answer?.Type)), new Set(['TSMP', 'disco', undefined]))
    assert.equal(answers.length, 3)
    assert.equal(answers.at(-1), undefined)
    assert.deepEqual(
      answers.find((answer) => answer?.Type === 'TSMP'),
      {
        Type: 'TSMP',
        IP: '100.64.0.2',
        NodeIP: '100.64.0.2',
        NodeName: 'ben',
        LatencySeconds: 0.02,
        PeerAPIPort: 36467,
      },
    )
    answers.length = 0
    await answerServerPing(world({ answer: undefined }), { ip: '100.64.0.2', types: ['TSMP'] }, (a) => answers.push(a))
    await answerServerPing(world(), { ip: 'no address', types: ['TSMP'] }, (answer) => answers.push(answer))
    assert.deepEqual(answers, [undefined, undefined])
  })
})
