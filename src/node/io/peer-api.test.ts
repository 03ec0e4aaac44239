import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { once } from 'node:events'
import { createServer, connect } from 'node:net'
import { formatAddressPort, formatIp, parseIp } from '../../base/ip.ts'
import type { Ip } from '../../base/ip.ts'
import { peerApiPorts } from '../peer-api/ports.ts'
import { PeerApi } from './peer-api.ts'

/** Two nodes on loopback: any of its addresses can be listened on, and come from. */
const OURS = parseIp('127.64.7.1') as Ip
const [PEER, STRANGER] = ['127.64.7.2', '127.64.7.3'] as const
const onLinux = process.platform === 'linux'

describe('the sockets of PeerAPI', { skip: !onLinux }, () => {
  const peers = new Map([[PEER, 'anna']])
  const logged: string[] = []
  const api = new PeerApi({
    nameOf: (ip) => peers.get(formatIp(ip) as typeof PEER),
    ownName: () => 'ben',
    log: (line) => logged.push(line),
  })
  let place = ''
  before(async () => {
    assert.equal(await api.listenOn([OURS]), true)
    place = formatAddressPort(api.places[0] as (typeof api.places)[number])
  })
  after(() => api.close())

  /** What comes back until the other end closes, or until `holds`. */
  async function talk(from: string, text: string, holds: (said: string) => boolean = () => false): Promise<string> {
    const { port = 0 } = api.places[0] ?? {}
    const socket = connect({ host: formatIp(OURS), port, localAddress: from })
    let said = ''
    socket.setEncoding('latin1').on('data', (piece: string) => {
      said += piece
      if (holds(said)) socket.destroy()
    })
    socket.on('error', () => {})
    socket.write(text)
    await once(socket, 'close')
    return said
  }
  const get = (path = '/', more = ''): string =>
    `GET ${path} HTTP/1.1\r\nHost: ${place}\r\nConnection: close\r\n${more}\r\n`

  test('it listens on the port that follows from the address, and says so', () => {
    assert.ok(peerApiPorts(OURS).includes(api.places[0]?.port ?? 0))
  })

  test('a peer is answered by name; others, and peers that have left, are cut off without a word', async () => {
    assert.match(await talk(PEER, get()), /^HTTP\/1.1 200 [^]*anna \(127\.64\.7\.2\)/)
    assert.equal(await talk(STRANGER, get()), '')
    peers.delete(PEER)
    assert.equal(await talk(PEER, get()), '')
    peers.set(PEER, 'anna')
  })

  test('advisory 8: a page that has this address under its own name gets nothing', async () => {
    assert.match(await talk(PEER, get('/', 'Origin: http://evil.example\r\n')), /^HTTP\/1.1 403 /)
    assert.match(
      await talk(PEER, 'GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n'),
      /^HTTP\/1.1 403 /,
    )
    assert.match(await talk(PEER, 'GET / HTTP/1.0\r\n\r\n'), /^HTTP\/1.1 403 /)
  })

  test('hostile requests end in an answer or in nothing, and it goes on', async () => {
    const rows = [
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      '\0\0\0\0\r\n\r\n',
      `GET / HTTP/1.1\r\nHost: ${place}\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
      `GET / HTTP/1.1\r\nHost: ${place}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n`,
      `CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: ${place}\r\n\r\n`,
      `POST / HTTP/1.1\r\nHost: ${place}\r\nContent-Length: 10000000000\r\n\r\nabc`,
      `POST / HTTP/1.1\r\nHost: ${place}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`,
      `POST / HTTP/1.1\r\nHost: ${place}\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ]
    for (const text of rows) assert.doesNotMatch(await talk(PEER, text), /^HTTP\/1.1 200 /, text.slice(0, 40))
    assert.match(await talk(PEER, get()), /^HTTP\/1.1 200 /)
    assert.deepEqual(logged, [])
  })

  test('one peer can’t use up the connections of the others', async () => {
    const { port = 0 } = api.places[0] ?? {}
    peers.set('127.64.7.4' as typeof PEER, 'carl')
    const sockets = Array.from({ length: 20 }, () => connect({ host: formatIp(OURS), port, localAddress: PEER }))
    for (const socket of sockets) socket.on('error', () => {})
    await Promise.all(sockets.slice(16).map((socket) => once(socket, 'close')))
    assert.match(await talk('127.64.7.4', get()), /carl/)
    for (const socket of sockets) {
      socket.destroy()
      if (!socket.closed) await once(socket, 'close')
    }
  })

  test('where the first port is taken it takes the next, and another set of addresses closes what is not among it', async () => {
    const other = parseIp('127.64.7.9') as Ip
    const [first = 0, second = 0] = peerApiPorts(other)
    const holder = createServer().listen({ host: formatIp(other), port: first, exclusive: true })
    await once(holder, 'listening')
    assert.equal(await api.listenOn([OURS, other]), true)
    assert.deepEqual(api.places.map(({ port }) => port)[1], second)
    assert.equal(await api.listenOn([OURS, other]), false)
    assert.equal(await api.listenOn([OURS]), true)
    assert.deepEqual(
      api.places.map(({ ip }) => formatIp(ip)),
      [formatIp(OURS)],
    )
    holder.close()
    await once(holder, 'close')
  })

  test('an address that the machine has not is told once, and tried again the next time', async () => {
    assert.equal(await api.listenOn([OURS, parseIp('203.0.113.77') as Ip]), false)
    assert.equal(await api.listenOn([OURS, parseIp('203.0.113.77') as Ip]), false)
    assert.match(logged.join(), /^PeerAPI: [^,]*EADDRNOTAVAIL[^,]*$/)
  })
})
