/**
 * Behind Debian's nginx, HAProxy and Caddy, each with the snippet that docs/proxy/ offers: official clients join and
 * stay, browsers' WebSockets pass, and only a trusted proxy is believed about who asks.
 *
 * The proxy stands beside the server, as the snippets say, and terminates TLS with a certificate that clients trust.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'

import type { Namespace } from '../lab/namespace.ts'
import { PROXIES, proxyMissing, startProxy } from './driver/proxy.ts'
import { meet, type TsClients, type TsNode, until } from './driver/tsclient.ts'
import { interopMissing, NET, SERVER_HOST, World } from './driver/world.ts'

const HOST = 'sett.example.com'

/** How long a client's connection is watched. Longer than any proxy's own idle limit (a minute) where a whole proof is wanted. */
const HOLD_MS = Number(process.env['SETT_PROXY_HOLD_MS'] ?? 4000)

/** What a liar in front of the proxy claims to be. */
const CLAIMED = '192.0.2.66'

/**
 * A program that stands between a client and a server and adds headers with a false address to the client's requests.
 * Arguments: port to listen on, "tls" or "tcp", host, port, address to claim.
 */
const LIAR = `const [port, kind, host, to, claim] = process.argv.slice(1)
const lie = 'X-Forwarded-For: ' + claim + '\\r\\nX-Real-IP: ' + claim + '\\r\\nForwarded: for=' + claim + ';proto=https\\r\\n'
require('node:net').createServer((client) => {
  const options = { host, port: Number(to), servername: '${HOST}', rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] }
  const server = kind === 'tls' ? require('node:tls').connect(options) : require('node:net').connect(options)
  let head = ''
  const first = (piece) => {
    head += piece.toString('latin1')
    const line = head.indexOf('\\r\\n')
    if (line < 0) return
    client.off('data', first)
    const name = head.slice(line + 2).replace(/^host:.*$/im, 'Host: ${HOST}')
    server.write(head.slice(0, line + 2) + lie + name, 'latin1')
    client.pipe(server)
  }
  client.on('data', first)
  server.pipe(client)
  for (const [one, other] of [[client, server], [server, client]]) one.on('error', () => other.destroy()).on('close', () => other.destroy())
}).listen(Number(port), '127.0.0.1', () => console.log('ready'))`

/** The address that the login page of `url` shows. */
async function askedFrom(clients: TsClients, url: string): Promise<string> {
  const page = await clients.plain(url)
  assert.equal(page.status, 200, page.text)
  return /<dt>Asks from<\/dt>\s*<dd>([^<]*)<\/dd>/.exec(page.text)?.[1] ?? page.text
}

/** Ports of the connections from `address` to the proxy's TLS port that are up. */
async function connections(server: Namespace, address: string): Promise<string[]> {
  const shown = await server.exec('ss', ['-Htn', 'state', 'established', 'sport', '=', ':443'])
  return [...shown.matchAll(new RegExp(`${address.replaceAll('.', '\\.')}\\]?:(\\d+)`, 'g'))].map(
    ([, port]) => port ?? '',
  )
}

for (const proxy of PROXIES) {
  const skip = interopMissing() || proxyMissing(proxy)

  suite(`behind ${proxy.name}`, { skip }, () => {
    let world: World
    let clients: TsClients
    let anna: TsNode

    before(async () => {
      world = await World.open({
        url: `https://${HOST}`,
        serverArgs: ['--trusted-proxy', '127.0.0.1'],
        plainServer: true,
      })
      const running = startProxy(proxy, world.serverNamespace, join(world.lab.dir, 'certificates'))
      clients = await world.clients('anna')
      await until(`${proxy.name} answers`, async () => {
        if (!running.alive) throw new Error(`${proxy.name} has ended: ${running.output.slice(-2000)}`)
        return (await clients.plain(`https://${HOST}/key?v=113`).catch(() => undefined))?.status === 200
      })
    })
    after(async () => world?.close())

    test('an official client joins and exchanges traffic with another', async (t) => {
      const { key } = await world.server.createKey({ reusable: true })
      const began = performance.now()
      anna = await clients.join('anna', { control: world.control, authKey: key })
      t.diagnostic(`start to running: ${Math.round(performance.now() - began)} ms`)
      const ben = await (await world.clients('ben')).join('ben', { control: world.control, authKey: key })
      await ben.serve()
      await meet(anna, ben)
      assert.equal((await anna.get(`http://${await ben.ip()}/hello`)).text, 'hello from ben')
    })

    test('its one connection stays up, and changes come through at once', async (t) => {
      const before = await connections(world.serverNamespace, `${NET}.11`)
      await wait(HOLD_MS)
      const { nodeId } = await world.server.device('ben')
      const began = performance.now()
      await world.server.api('POST', `/api/v2/device/${nodeId}/name`, { name: 'benjamin' })
      await anna.sees('the new name', 'benjamin', (peer) => peer?.Online === true, 2000)
      t.diagnostic(`after ${HOLD_MS} ms a change was seen in ${Math.round(performance.now() - began)} ms`)
      const now = await connections(world.serverNamespace, `${NET}.11`)
      assert.ok(
        before.some((port) => now.includes(port)),
        `connections before: ${before.join()}, now: ${now.join()}`,
      )
    })

    test('a WebSocket carries the control channel', async () => {
      const { subprotocol, status, firstBytes } = await clients.websocket(world.control, 1000)
      assert.equal(subprotocol, 'tailscale-control-protocol')
      assert.equal(status, 101)
      assert.ok(firstBytes > 0, 'the server speaks first inside')
    })

    test("the client's own address reaches the server, whatever the client claims", async () => {
      const honest = await clients.start('honest', { control: world.control })
      assert.equal(await askedFrom(clients, await honest.loginUrl()), `${NET}.11`)
      await clients.namespace
        .spawn(process.execPath, ['-e', LIAR, '8081', 'tls', SERVER_HOST, '443', CLAIMED])
        .waitFor(/ready/)
      const liar = await clients.start('liar', { control: 'http://127.0.0.1:8081' })
      assert.equal(await askedFrom(clients, await liar.loginUrl()), `${NET}.11`)
    })

    test('a proxy that is not trusted is not believed', async () => {
      await clients.namespace
        .spawn(process.execPath, ['-e', LIAR, '8082', 'tcp', SERVER_HOST, '8080', CLAIMED])
        .waitFor(/ready/)
      const liar = await clients.start('past-the-proxy', { control: 'http://127.0.0.1:8082' })
      assert.equal(await askedFrom(clients, await liar.loginUrl()), `${NET}.11`)
    })

    test('the REST API answers through the proxy, and not past it', async () => {
      const path = '/api/v2/tailnet/-/devices'
      assert.equal((await clients.plain(`https://${HOST}${path}`)).status, 401)
      const past = await clients.plain(`http://${SERVER_HOST}:8080${path}`, {
        'X-Forwarded-Proto': 'https',
        'X-Forwarded-For': '127.0.0.1',
      })
      assert.ok(past.status === 403 || past.status === 404, `${past.status} ${past.text}`)
    })
  })
}
