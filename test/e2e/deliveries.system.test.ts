/**
 * Webhooks and log streams of a real server, to receivers on loopback that verify what they get by themselves: signed,
 * tried again after refusals and silence, and nothing lost when the server is killed in between.
 */

import assert from 'node:assert/strict'
import { createHash, createHmac } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingHttpHeaders, Server } from 'node:http'
import { createServer as createTcp } from 'node:net'
import type { AddressInfo, Server as TcpServer, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { Coord } from './coord.ts'
import { run, SETT } from './program.ts'

interface Got {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** Collects requests, and answers as it is told to. */
class Receiver {
  readonly got: Got[] = []
  /** Status of the next answers; 0 is silence. Then 200. */
  readonly next: number[] = []
  reply: (got: Got) => string = () => ''
  readonly #server: Server
  #heard = (): void => undefined

  private constructor() {
    this.#server = createServer((req, res) => {
      const pieces: Buffer[] = []
      req.on('data', (piece: Buffer) => pieces.push(piece))
      req.on('end', () => {
        const { method = '', url: path = '', headers } = req
        const got = { method, path, headers, body: Buffer.concat(pieces) }
        const status = this.next.shift() ?? 200
        if (status === 200) this.got.push(got)
        if (status !== 0) res.writeHead(status).end(this.reply(got))
        this.#heard()
      })
    })
  }

  static async start(): Promise<Receiver> {
    const made = new Receiver()
    made.#server.listen(0, '127.0.0.1')
    await once(made.#server, 'listening')
    return made
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Resolves when it is so; the test runner ends a wait that is in vain. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise<void>((resolve) => (this.#heard = resolve))
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }
}

let coord: Coord
const folder = mkdtempSync(join(tmpdir(), 'sett-deliver-'))
const token = join(folder, 'token')
const open: { close(): unknown }[] = []

before(async () => {
  writeFileSync(token, 'very-secret\n', { mode: 0o600 })
  coord = await Coord.start({ args: ['--private-targets', 'loopback'] })
})
after(async () => {
  for (const one of open) one.close()
  await coord?.remove()
  rmSync(folder, { recursive: true, force: true })
})

async function receiver(): Promise<Receiver> {
  const made = await Receiver.start()
  open.push(made)
  return made
}

async function admin(...args: string[]): Promise<string> {
  const { code, out, err } = await run(SETT, ['admin', '--socket', coord.socket, ...args])
  assert.equal(code, 0, `${args.join(' ')}: ${err}`)
  return out
}
async function adminJson(...args: string[]): Promise<any> {
  return JSON.parse(await admin(...args, '--json'))
}
let people = 0
/** Something that webhooks and the log are told of. */
const happen = () => admin('users', 'create', `user${++people}@example.com`)

/** Verifies by itself, as a receiver does. */
function verified({ headers, body }: Got, secret: string): any[] {
  const fields = String(headers['tailscale-webhook-signature'])
    .split(',')
    .map((field) => field.split('=') as [string, string])
  const t = fields.find(([name]) => name === 't')?.[1] ?? ''
  assert.ok(Math.abs(Date.now() / 1000 - Number(t)) < 300)
  const want = createHmac('sha256', secret).update(`${t}.`).update(body).digest('hex')
  assert.ok(
    fields.some(([name, hex]) => name === 'v1' && hex === want),
    'no signature is good',
  )
  return JSON.parse(body.toString('utf8')) as any[]
}

test('webhooks: signed, tried again after 500 and silence, nothing lost by a kill', { timeout: 120_000 }, async () => {
  const hook = await receiver()
  const { endpointId, secret } = await adminJson('webhooks', 'create', `${hook.url}/hook`, '--events', 'userCreated')
  await admin('webhooks', 'test', endpointId)
  await hook.until(() => hook.got.length === 1)
  assert.equal(verified(hook.got[0] as Got, secret)[0].type, 'test')

  hook.next.push(500, 503)
  await happen()
  await hook.until(() => hook.got.length === 2)
  // It hears nothing, and dies with what it wanted to say.
  hook.next.push(0)
  await happen()
  await hook.until(() => hook.next.length === 0)
  await coord.stop('SIGKILL')
  await coord.start()
  await happen()
  await hook.until(() =>
    hook.got.flatMap(({ body }) => JSON.parse(String(body))).some(({ data }) => data.user === 'user3@example.com'),
  )
  const users = hook.got.slice(1).flatMap((got) => verified(got, secret).map(({ data }) => data.user as string))
  assert.deepEqual([...new Set(users)], ['user1@example.com', 'user2@example.com', 'user3@example.com'])
  assert.match(await admin('webhooks', 'show', endpointId), /Delivered: +[4-9]/)

  const rotated = (await admin('webhooks', 'rotate', endpointId)).trim()
  await hook.until(() => String(hook.got.at(-1)?.body).includes('webhookUpdated'))
  for (const good of [secret, rotated]) assert.equal(verified(hook.got.at(-1) as Got, good)[0].type, 'webhookUpdated')
  const records = coord.dump()
  for (const text of [secret, rotated]) assert.ok(!JSON.stringify(records).includes(text.split('-').at(-1)))
  assert.ok(!coord.log.includes(rotated.split('-').at(-1) as string))
  await admin('webhooks', 'delete', endpointId)
})

/** Entries of the log behind a number, as it keeps them. */
async function entries(after: number): Promise<any[]> {
  const out = await admin('log', 'export', '--after', String(after))
  return out
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => JSON.parse(line))
}
async function newest(): Promise<number> {
  const all = await entries(0)
  return all.at(-1).number as number
}

const STREAMS = [
  {
    name: 'splunk',
    args: (url: string) => ['splunk', '--to', url, '--user', 'sett', '--token-file', token],
    read: (got: Got) => {
      assert.equal(got.path, '/services/collector/event')
      assert.equal(got.headers.authorization, `Basic ${btoa('sett:very-secret')}`)
      return JSON.parse(`[${got.body.toString('utf8').replaceAll('}{', '},{')}]`).map(({ event }: any) => event)
    },
  },
  {
    name: 'elastic',
    args: (url: string) => ['elastic', '--to', `${url}/audit`, '--token-file', token, '--compression', 'gzip'],
    read: (got: Got) => {
      assert.deepEqual([got.path, got.headers['content-encoding']], ['/audit/_bulk', 'gzip'])
      const lines = String(gunzipSync(got.body)).trim().split('\n')
      return lines.map((line) => JSON.parse(line)).filter((_, i) => i % 2 === 1)
    },
  },
  {
    name: 'datadog',
    args: (url: string) => ['datadog', '--to', url, '--token-file', token, '--compression', 'zstd'],
    read: (got: Got) => {
      assert.equal(got.headers['dd-api-key'], 'very-secret')
      return JSON.parse(String(zstdDecompressSync(got.body))).map(({ message }: any) => JSON.parse(message))
    },
  },
] as const

for (const { name, args, read } of STREAMS)
  test(
    `the log streamed to ${name} is all of it, also when the server is killed meanwhile`,
    { timeout: 120_000 },
    async () => {
      const collector = await receiver()
      collector.reply = () => '{"errors":false}'
      const before = await newest()
      await admin('log', 'stream', 'set', ...args(collector.url))
      await happen()
      collector.next.push(500, 0)
      await happen()
      await collector.until(() => collector.next.length === 0)
      await coord.stop('SIGKILL')
      await coord.start()
      await happen()
      const want = await entries(before)
      const got = () => collector.got.flatMap(read) as { eventGroupID: string; target: { name: string } }[]
      const last = want.at(-1)
      await collector.until(() => got().some(({ eventGroupID }) => eventGroupID === last.group))
      assert.deepEqual(
        [...new Set(got().map(({ eventGroupID }) => eventGroupID))],
        [...new Set(want.map(({ group }) => group as string))],
      )
      const shown = await admin('log', 'stream', 'show')
      assert.match(shown, /Last error: +it answered 500|Requests: +\d+, \d+ failed/)
      const { status } = await adminJson('log', 'stream', 'show')
      assert.equal(Object.keys(status).length, 12)
      assert.ok(status.numFailedRequests >= 1)
      assert.ok(!JSON.stringify(coord.dump()).includes('very-secret') && !coord.log.includes('very-secret'))
      await admin('log', 'stream', 'remove')
    },
  )

test(
  'the log streamed to an object store arrives as objects that are signed for it',
  { timeout: 120_000 },
  async () => {
    const store = await receiver()
    const before = await newest()
    const s3 = ['s3', '--to', store.url, '--bucket', 'audit', '--region', 'eu-central-1', '--access-key-id', 'AKID']
    await admin('log', 'stream', 'set', ...s3, '--prefix', 'sett/', '--token-file', token)
    await store.until(() => store.got.length > 0)
    const [got] = store.got as [Got]
    assert.equal(got.method, 'PUT')
    assert.match(got.path, /^\/audit\/sett\/\d{4}\/\d\d\/\d\d\/[\d-]+-configuration-T\w+-\d+-\d+\.json$/)
    const lines = String(got.body)
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    const want = await entries(before)
    assert.equal(lines[0].eventGroupID, want[0].group)
    assert.ok(isSignedFor(got, 'very-secret'))
    assert.ok(!isSignedFor(got, 'another'))
    await admin('log', 'stream', 'remove')
  },
)

/** Signature version 4, computed once more from what arrived. */
function isSignedFor({ method, path, headers, body }: Got, secret: string): boolean {
  const said = String(headers.authorization)
  const [, scope = '', names = '', signature] =
    /Credential=AKID\/(\S+), SignedHeaders=(\S+), Signature=(\w+)/.exec(said) ?? []
  const sha = (text: string | Buffer) => createHash('sha256').update(text).digest('hex')
  const mac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()
  const heads = names.split(';').map((name) => `${name}:${headers[name] as string}\n`)
  const canonical = `${method}\n${path}\n\n${heads.join('')}\n${names}\n${sha(body)}`
  const text = `AWS4-HMAC-SHA256\n${headers['x-amz-date'] as string}\n${scope}\n${sha(canonical)}`
  const key = scope.split('/').reduce<string | Buffer>((key, part) => mac(key, part), `AWS4${secret}`)
  return mac(key, text).toString('hex') === signature
}

test('the log streamed to a syslog arrives frame by frame', { timeout: 120_000 }, async () => {
  let text = ''
  let heard = (): void => undefined
  const sockets = new Set<Socket>()
  const server: TcpServer = createTcp((socket) => {
    sockets.add(socket)
    socket.setEncoding('utf8').on('data', (piece: string) => {
      text += piece
      heard()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  open.push({ close: () => (server.close(), sockets.forEach((socket) => socket.destroy())) })
  await admin('log', 'stream', 'set', 'syslog', '--to', `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`)
  await happen()
  const name = `user${people}@example.com`
  while (!text.includes(name)) await new Promise<void>((resolve) => (heard = resolve))
  const [, length = '', line = ''] = /^(\d+) ([^]*)$/.exec(text) ?? []
  assert.match(
    Buffer.from(line).subarray(0, Number(length)).toString('utf8'),
    /^<109>1 \S+Z \S+ sett - CONFIG - \{.*\}$/,
  )
  await admin('log', 'stream', 'remove')
})

test('private addresses are refused where the operator has not listed them', { timeout: 120_000 }, async () => {
  const other = await Coord.start()
  open.push({ close: () => void other.remove() })
  const hook = await receiver()
  const sett = (...args: string[]) => run(SETT, ['admin', '--socket', other.socket, ...args])
  const made = await sett('webhooks', 'create', `${hook.url}/hook`, '--json')
  const { endpointId } = JSON.parse(made.out) as { endpointId: string }
  await sett('webhooks', 'test', endpointId)
  let shown = ''
  while (!/Last error/.test(shown)) shown = (await sett('webhooks', 'show', endpointId)).out
  assert.match(shown, /--private-targets/)
  assert.equal(hook.got.length, 0)
  await other.remove()
})
