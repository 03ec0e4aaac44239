import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { once } from 'node:events'
import { ControlClient, dial, exchangeHeads, Refused, upgradeRequest } from '../../../../test/support/control-client.ts'
import { listenForControl } from '../../../../test/support/control-listener.ts'
import type { TestListener } from '../../../../test/support/control-listener.ts'
import { sameBytes, utf8 } from '../../../base/bytes.ts'
import { isZeroKey, readChallengeKey, readMachineKey } from '../../../base/keys.ts'
import { nodePrimitives } from '../../../crypto/io/node-primitives.ts'
import { initiate } from '../../../crypto/noise.ts'
import { generateKey, machineKeyFor } from '../../../crypto/primitives.ts'
import { encodeInitiation, decodeAnswer } from '../../../wire/noise-frame.ts'
import type { ControlReply } from '../../control.ts'

describe('the control listener', async () => {
  const server = await listenForControl()
  after(() => server.close())

  test('1: /key has the key, and a legacy key other than zero; no version, no key', async () => {
    const answer = await fetch(`${server.url}/key?v=113`)
    assert.equal(answer.status, 200)
    assert.equal(answer.headers.get('content-type'), 'application/json')
    const body = (await answer.json()) as Record<string, string>
    assert.equal(body['publicKey'], machineKeyFor(nodePrimitives, server.key))
    const legacy = readMachineKey(body['legacyPublicKey'] ?? '')
    assert.ok(legacy !== undefined && !isZeroKey(legacy) && legacy !== body['publicKey'])
    for (const query of ['', '?v=', '?v=0', '?v=x', '?v=-1', '?v=1.5', '?w=113']) {
      assert.equal((await fetch(`${server.url}/key${query}`)).status, 400, query)
    }
  })

  test('2: the upgrade answers 101 with the exact Upgrade value, and requests go through', async () => {
    const socket = dial(server.url)
    const { status, head } = await exchangeHeads(socket, upgradeRequest(server.url, initiation(server)))
    assert.equal(status, 101)
    assert.match(head, /\r\nUpgrade: tailscale-control-protocol(\r\n|$)/)
    socket.destroy()

    const client = await ControlClient.connect({ url: server.url, version: 113 })
    const answer = await client.request('POST', '/machine/register?a=1', utf8('{}'))
    assert.equal(answer.status, 200)
    assert.deepEqual(JSON.parse(answer.text), {
      method: 'POST',
      path: '/machine/register',
      query: 'a=1',
      from: '127.0.0.1',
      version: 113,
      machineKey: machineKeyFor(nodePrimitives, client.machineKey),
      length: 2,
    })
    client.close()
  })

  test('3: a WebSocket does the same, from any origin, without an early payload', async () => {
    const client = await ControlClient.connect({ url: server.url, via: 'websocket' })
    const answer = await client.request('GET', '/machine/whoami', utf8('x'.repeat(100_000)))
    assert.equal((JSON.parse(answer.text) as { length: number }).length, 100_000)
    assert.equal(client.early, undefined)
    client.close()
    await client.closed
  })

  test('response, early payload and SETTINGS leave with the head, in one write', async () => {
    const socket = dial(server.url)
    const { rest } = await exchangeHeads(socket, upgradeRequest(server.url, initiation(server)))
    const answer = decodeAnswer(rest)
    // The early payload alone has more than 100 bytes.
    assert.ok(answer.kind === 'response' && answer.rest.length > 150, answer.kind)
    socket.destroy()
  })

  test('6: the early payload comes before SETTINGS, with a fresh challenge per connection', async () => {
    const client = await ControlClient.connect({ url: server.url })
    await client.request('GET', '/')
    const { nodeKeyChallenge } = JSON.parse(client.early ?? '{}') as { nodeKeyChallenge?: string }
    assert.notEqual(readChallengeKey(nodeKeyChallenge ?? ''), undefined)
    const another = await ControlClient.connect({ url: server.url })
    await another.request('GET', '/')
    assert.notEqual(another.early, client.early)
    client.close()
    another.close()
  })

  test('bytes that arrive together with the upgrade request are not lost', async () => {
    const machineKey = generateKey(nodePrimitives.random)
    const begun = initiate(nodePrimitives, machineKey, machineKeyFor(nodePrimitives, server.key), 120)
    assert.ok(begun !== undefined)
    // A client can't seal before it has the response, so these can only be wrong: the connection ends by them.
    const socket = dial(server.url)
    const request = Buffer.from(upgradeRequest(server.url, encodeInitiation(120, begun.message)))
    const { status, rest } = await exchangeHeads(socket, Buffer.concat([request, Buffer.from([7, 0, 0])]))
    assert.equal(status, 101)
    assert.equal(decodeAnswer(await readAtLeast(socket, rest, 51)).kind, 'response')
    await readAtLeast(socket, rest, 1e6)
    assert.ok(socket.closed || socket.destroyed)
  })

  for (const via of ['upgrade', 'websocket'] as const) {
    test(`an answer of 20 MB arrives whole, through ${via}`, async (t) => {
      const large = new Uint8Array(20_000_000).map((_, i) => i % 251)
      const full = await listenForControl({ handler: (_, reply) => reply.answer(200, large) })
      t.after(() => full.close())
      const client = await ControlClient.connect({ url: full.url, via })
      const { body } = await client.request('GET', '/')
      assert.ok(sameBytes(body, large), `${body.length} bytes`)
      client.close()
    })
  }

  test('7: a hundred and more requests at once, GET with a body among them', async () => {
    const waiting: ControlReply[] = []
    const holding = await listenForControl({
      handler: (request, reply) => {
        assert.equal(request.method, 'GET')
        assert.equal(request.body.length, 3)
        waiting.push(reply)
        if (waiting.length === 200) for (const each of waiting) each.answer(200, 'all here')
      },
    })
    const client = await ControlClient.connect({ url: holding.url })
    const answers = await Promise.all(
      Array.from({ length: 200 }, () => client.request('GET', '/machine/tka', utf8('abc'))),
    )
    assert.ok(answers.every((answer) => answer.text === 'all here'))
    client.close()
    await holding.close()
  })

  const refusals = [
    { name: 'version 112', version: 112, want: /too old.*112.*113.*1\.80/ },
    { name: 'version 0', version: 0, want: /too old/ },
    { name: 'another version in the transcript', version: 120, transcriptVersion: 121, want: /handshake failed/ },
  ] as const
  for (const { name, want, ...versions } of refusals) {
    test(`5: an error frame refuses ${name}`, async () => {
      const tried = ControlClient.connect({
        url: server.url,
        serverKey: machineKeyFor(nodePrimitives, server.key),
        ...versions,
      })
      await assert.rejects(tried, (error: unknown) => error instanceof Refused && want.test(error.message))
    })
  }

  const bad: readonly (readonly [string, Uint8Array, RegExp])[] = [
    ['nothing of an initiation', new Uint8Array(101), /type/],
    ['a short one', new Uint8Array(20), /size/],
    ['a long one', new Uint8Array(500), /size/],
    ['an initiation for another server', initiation({ key: generateKey(nodePrimitives.random) }), /handshake failed/],
    ['an ephemeral key of low order', encodeInitiation(120, new Uint8Array(96)), /handshake failed/],
  ]
  for (const [name, bytes, want] of bad) {
    test(`5: an error frame refuses ${name}`, async () => {
      const socket = dial(server.url)
      const { status, rest } = await exchangeHeads(socket, upgradeRequest(server.url, bytes))
      assert.equal(status, 101)
      const answer = decodeAnswer(await readAtLeast(socket, rest, 4))
      assert.ok(answer.kind === 'error' && want.test(answer.text), JSON.stringify(answer))
      if (!socket.closed) await once(socket, 'close')
    })
  }

  const heads: readonly (readonly [string, string, Record<string, string | undefined>, number, RegExp])[] = [
    ['no Upgrade', 'POST', { Upgrade: undefined }, 400, /missing next protocol/],
    ['another Upgrade', 'POST', { Upgrade: 'h2c' }, 400, /unknown next protocol/],
    ['an Upgrade in capitals', 'POST', { Upgrade: 'Tailscale-Control-Protocol' }, 101, /101/],
    ['no Connection', 'POST', { Connection: 'keep-alive' }, 400, /Connection: upgrade/],
    ['Connection with more words', 'POST', { Connection: 'keep-alive, Upgrade' }, 101, /101/],
    ['no handshake', 'POST', { 'X-Tailscale-Handshake': undefined }, 400, /X-Tailscale-Handshake/],
    ['a handshake that is no base64', 'POST', { 'X-Tailscale-Handshake': '!!' }, 400, /X-Tailscale-Handshake/],
    ['GET', 'GET', {}, 400, /want POST/],
    ['a WebSocket without sub-protocol', 'GET', { Upgrade: 'websocket' }, 400, /sub-protocol/],
    ['a WebSocket by POST', 'POST', { Upgrade: 'websocket' }, 400, /want GET/],
  ]
  for (const [name, method, changes, want, text] of heads) {
    test(`/ts2021 with ${name}: ${want}`, async () => {
      const socket = dial(server.url)
      const fields: Record<string, string | undefined> = {
        Host: 'x',
        Connection: 'upgrade',
        Upgrade: 'tailscale-control-protocol',
        'X-Tailscale-Handshake': Buffer.from(initiation(server)).toString('base64'),
        'Content-Length': '0',
        ...changes,
      }
      const lines = Object.entries(fields).map(([k, v]) => (v === undefined ? '' : `${k}: ${v}\r\n`))
      const answer = await exchangeHeads(socket, `${method} /ts2021 HTTP/1.1\r\n${lines.join('')}\r\n`)
      assert.equal(answer.status, want)
      const whole = answer.head + Buffer.from(await readAtLeast(socket, answer.rest, 1)).toString('latin1')
      assert.match(whole, text)
      socket.destroy()
    })
  }

  const paths: readonly (readonly [string, string, number])[] = [
    ['GET', '/', 200],
    ['HEAD', '/key?v=113', 200],
    ['POST', '/key?v=113', 405],
    ['GET', '/nothing', 404],
    ['POST', '/nothing', 404],
    ['GET', '/derp', 404],
    ['GET', '/robots.txt', 200],
    ['GET', '/admin', 200],
    ['GET', '/healthz', 200],
    ['GET', '/metrics', 200],
    ['GET', '/generate_204', 204],
    ['GET', '/bootstrap-dns?q=example.com', 200],
    ['GET', '/machine/map', 404],
    ['GET', '/login', 404],
  ]
  for (const [method, path, want] of paths) {
    test(`${method} ${path}: ${want}`, async () => {
      const answer = await fetch(server.url + path, { method })
      await answer.arrayBuffer()
      assert.equal(answer.status, want)
    })
  }

  test('/generate_204 answers a challenge, and only one that is fit for a header', async () => {
    const ask = async (challenge: string) => {
      const answer = await fetch(`${server.url}/generate_204`, { headers: { 'x-tailscale-challenge': challenge } })
      return answer.headers.get('x-tailscale-response')
    }
    assert.equal(await ask('ts_login.example'), 'response ts_login.example')
    assert.equal(await ask('<script>'), null)
    assert.equal(await ask('a'.repeat(65)), null)
  })
})

function initiation(server: Pick<TestListener, 'key'>, version = 120): Uint8Array {
  const own = generateKey(nodePrimitives.random)
  const begun = initiate(nodePrimitives, own, machineKeyFor(nodePrimitives, server.key), version)
  assert.ok(begun !== undefined)
  return encodeInitiation(version, begun.message)
}

/** What has come, and what more comes, until there is this much or the end. */
async function readAtLeast(socket: ReturnType<typeof dial>, rest: Uint8Array, length: number): Promise<Uint8Array> {
  let held = Buffer.from(rest)
  while (held.length < length && !socket.closed) {
    const more = await new Promise<Buffer>((resolve) => {
      socket.once('data', (chunk) => resolve(chunk as Buffer))
      socket.once('close', () => resolve(Buffer.alloc(0)))
      socket.resume()
    })
    if (more.length === 0) break
    held = Buffer.concat([held, more])
  }
  return held
}
