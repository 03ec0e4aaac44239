/** Whom a client dials, and when (control.md §3.2, §16.2 item 2). */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ControlWorld, firstMap } from '../../../test/support/fake-control.ts'
import { Secret } from '../../base/secret.ts'
import { dialBudgetMs, dialTargets, parseServerAddress, planTargets } from './dial.ts'

const AUTH = { authKey: new Secret('tskey-auth-one', 'auth key') }

test('ports by address', () => {
  const rows = [
    ['https://h.example', 80, 443],
    ['https://h.example:8443', 80, 8443],
    ['http://h.example', 80, 443],
    ['http://h.example:8080', 8080, 443],
    ['http://10.1.2.3', 80, undefined],
    ['http://192.168.0.9:8080/', 8080, undefined],
    ['http://127.0.0.1:8080', 8080, undefined],
    ['http://localhost', 80, undefined],
    ['http://[::1]:9000', 9000, undefined],
    ['http://[2001:db8::1]:9000', 9000, 443],
    ['https://login.tailscale.com', 80, 443],
  ] as const
  for (const [url, plain, tls] of rows) {
    const server = parseServerAddress(url)
    assert.deepEqual([server.plainPort, server.tlsPort], [plain, tls], url)
  }
  assert.equal(parseServerAddress('https://login.tailscale.com').host, 'controlplane.tailscale.com')
  assert.equal(parseServerAddress('http://[::1]:9000').host, '::1')
  for (const url of ['', 'h.example', 'ftp://h', 'http://', 'http://h:0', 'http://h:70000', 'http://a b', 'http://u@h'])
    assert.throws(() => parseServerAddress(url), { code: 'config/invalid' }, url)
})

test('plain first, TLS half a second later; TLS first where plain was lost', () => {
  const server = parseServerAddress('https://h.example')
  const shape = (tlsFirst: boolean) =>
    dialTargets(server, 10_000, tlsFirst).map(({ port, tls, startMs, after }) => [port, tls, startMs, after])
  assert.deepEqual(shape(false), [
    [80, false, 0, undefined],
    [443, true, 500, 0],
  ])
  assert.deepEqual(shape(true), [
    [443, true, 0, undefined],
    [80, false, Infinity, 0],
  ])
})

test('how long a dial may take, and what a plan comes to', () => {
  const candidate = (DialStartDelaySec: number, DialTimeoutSec: number, IP = '192.0.2.1') => ({
    IP,
    DialStartDelaySec,
    DialTimeoutSec,
  })
  assert.equal(dialBudgetMs([]), 10_000)
  assert.equal(dialBudgetMs([candidate(2, 10)]), 17_000)
  assert.equal(dialBudgetMs([candidate(100, 100)]), 60_000)
  const server = parseServerAddress('http://h.example')
  const plan = [
    candidate(0, 5),
    candidate(1, 0),
    candidate(2, 5, '2001:db8::7'),
    { ...candidate(0, 5), ACEHost: 'ace' },
  ]
  assert.deepEqual(
    planTargets(server, plan, false).map(({ address, port, startMs, after }) => [address, port, startMs, after]),
    [
      ['192.0.2.1', 80, 0, undefined],
      ['192.0.2.1', 443, 500, 0],
      ['2001:db8::7', 80, 2000, undefined],
      ['2001:db8::7', 443, 2500, 2],
    ],
  )
  assert.ok(planTargets(server, Array(1000).fill(candidate(0, 5)), false).length <= 17)
})

test('the race: what is refused, hangs or is somebody else gives way to the other port', () => {
  const rows = [
    { name: 'plain is open', plain: 'open', tls: 'open', want: [80], ms: 0 },
    { name: 'plain is refused', plain: 'refused', tls: 'open', want: [80, 443], ms: 0 },
    { name: 'plain hangs', plain: 'hangs', tls: 'open', want: [80, 443], ms: 500 },
  ] as const
  for (const { name, plain, tls, want, ms } of rows) {
    const world = new ControlWorld({ server: 'https://h.example', session: AUTH })
    world.network = (dial) => (dial.tls ? tls : plain)
    const since = world.mono
    world.start()
    world.until('online', () => world.session.state.online)
    assert.deepEqual(
      world.all('dial').map((dial) => dial.port),
      want,
      name,
    )
    assert.equal(world.mono - since, ms, name)
    assert.equal(world.openConnections, 1, name)
  }
})

test('an answer on the plain port that is no upgrade gives way to TLS', () => {
  for (const answer of [
    'HTTP/1.1 301 Moved Permanently\r\nLocation: https://h.example/\r\n\r\n',
    'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n',
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n',
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: Tailscale-Control-Protocol\r\n\r\n',
    'HTTP/1.1 101 Switching Protocols\r\n\r\n',
    'HTTP/1.1 200 OK\r\nUpgrade: tailscale-control-protocol\r\n\r\n',
    'SSH-2.0-OpenSSH_9\r\n\r\n\r\n',
    'x'.repeat(20_000),
  ]) {
    const world = new ControlWorld({ server: 'https://h.example', session: AUTH })
    world.upgradeAnswer = answer
    world.network = (dial) => {
      if (dial.tls) world.upgradeAnswer = undefined
      return 'open'
    }
    world.start()
    assert.equal(world.session.state.online, true, answer.slice(0, 60))
    assert.deepEqual(
      world.all('dial').map((dial) => dial.tls),
      [false, true],
    )
    assert.equal(world.openConnections, 1)
  }
})

test('soon after a plain connection was lost TLS comes first, and a server without TLS is found all the same', () => {
  const world = new ControlWorld({ server: 'http://h.example:8080', session: AUTH }).start()
  world.network = (dial) => (dial.tls ? 'refused' : 'open')
  world.cut()
  world.until('online', () => world.session.state.online)
  assert.deepEqual(
    world.all('dial').map((dial) => dial.port),
    [8080, 443, 8080],
  )
  for (let i = 0; i < 4; i++) {
    world.pass(50_000)
    world.send({ KeepAlive: true })
  }
  world.cut()
  world.until('online', () => world.session.state.online)
  assert.deepEqual(
    world
      .all('dial')
      .map((dial) => dial.port)
      .slice(3),
    [8080],
  )
})

test('a dial plan outlives its stream; when all its addresses fail, the name is asked for', () => {
  const world = new ControlWorld({ session: AUTH })
  world.first = (key) => firstMap(key, { ControlDialPlan: { Candidates: [{ IP: '192.0.2.9', DialTimeoutSec: 5 }] } })
  world.start()
  world.cut()
  world.until('online', () => world.session.state.online)
  assert.deepEqual(
    world.all('dial').map((dial) => dial.address),
    [undefined, '192.0.2.9'],
  )
  world.network = (dial) => (dial.address === undefined ? 'open' : 'hangs')
  world.first = (key) => firstMap(key, { ControlDialPlan: { Candidates: [] } })
  world.cut()
  world.until('online', () => world.session.state.online)
  assert.deepEqual(
    world
      .all('dial')
      .map((dial) => dial.address)
      .slice(2),
    ['192.0.2.9', undefined],
  )
  world.network = () => 'open'
  world.cut()
  world.until('online', () => world.session.state.online)
  assert.equal(world.all('dial').at(-1)?.address, undefined)
})
