/**
 * How much a relay delivers: 1,200-byte packets between pairs of clients, as fast as it takes them, and with more
 * offered than it can deliver. The relay runs in a process of its own; the clients are all in this one.
 *
 *   node bench/relay.ts [--pairs 4] [--seconds 5] [--offer 200,400,800,1600,3200] [--peer /path/to/derper]
 *
 * With `--peer`, the reference relay is measured by the same clients in the same run. Absolute figures depend on
 * the machine: compare within one run. Each sender writes one TLS record a packet, as official clients do, and
 * drops what its relay doesn't read, as they do.
 */

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { concat } from '../src/base/bytes.ts'
import { PrivateKey } from '../src/base/keys.ts'
import { nodePrimitives as p } from '../src/crypto/io/node-primitives.ts'
import { generateKey } from '../src/crypto/primitives.ts'
import { makeSelfSigned } from '../src/crypto/io/self-signed.ts'
import type { CertifiedKey } from '../src/crypto/io/self-signed.ts'
import { startRelay } from '../src/relay/io/start.ts'
import { encodeClientMessage } from '../src/wire/derp/messages.ts'
import { DerpClient } from '../test/support/derp-client.ts'

const PACKET_BYTES = 1200
const FRAME_BYTES = 5 + 32 + PACKET_BYTES
/** What a sender lets pile up before it drops: about what an official client's queue and its socket hold. */
const MOST_UNSENT_BYTES = 256 * 1024
const TICK_MS = 2
const WARM_UP_MS = 1000
const HOST = '127.0.0.1'

interface Contestant {
  readonly name: string
  readonly port: number
  readonly key: Uint8Array
  readonly process: ChildProcess
}

interface Result {
  readonly offeredMbit: number
  readonly deliveredMbit: number
  /** Delivered for each core that the relay keeps busy. */
  readonly perCoreMbit: number
  readonly relayCores: number
}

async function startOwn(key: PrivateKey, tls: CertifiedKey): Promise<Contestant> {
  const child = spawn(process.execPath, [import.meta.filename, 'serve'], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  child.send({ key: key.revealText(), tls })
  const [{ port }] = (await once(child, 'message')) as [{ port: number }]
  return { name: 'sett', port, key: p.x25519Public(key), process: child }
}

async function startDerper(binary: string, folder: string, key: PrivateKey, tls: CertifiedKey): Promise<Contestant> {
  writeFileSync(join(folder, `${HOST}.crt`), tls.cert)
  writeFileSync(join(folder, `${HOST}.key`), tls.key)
  writeFileSync(join(folder, 'derper.json'), JSON.stringify({ PrivateKey: key.revealText() }))
  const port = await freePort()
  const flags = ['-a', `${HOST}:${port}`, '-certmode', 'manual', '-certdir', folder, '-hostname', HOST]
  const more = ['-stun=false', '-http-port', '-1', '-c', join(folder, 'derper.json')]
  const child = spawn(binary, [...flags, ...more], { stdio: 'ignore' })
  await sleep(1000)
  return { name: 'derper', port, key: p.x25519Public(key), process: child }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, HOST)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

/** CPU time that a process has used, in milliseconds (Linux, 100 ticks a second). */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

/** @param offered Mbit/s of all senders together; Infinity for as much as the relay takes */
async function measure(
  relay: Contestant,
  ca: string,
  pairs: number,
  offered: number,
  seconds: number,
): Promise<Result> {
  const at = { port: relay.port, ca }
  const clients: DerpClient[] = []
  let received = 0
  let wanted = 0
  const senders: { readonly client: DerpClient; readonly batch: Uint8Array; owed: number }[] = []
  for (let i = 0; i < pairs; i++) {
    const [from, to] = [await DerpClient.connect(at, relay.key), await DerpClient.connect(at, relay.key)]
    clients.push(from, to)
    to.socket.removeAllListeners('data')
    to.socket.on('data', (chunk: Buffer) => (received += chunk.length))
    from.socket.setMaxSendFragment(FRAME_BYTES)
    const frame = encodeClientMessage({ kind: 'send', to: to.raw, packet: p.random(PACKET_BYTES) })
    senders.push({ client: from, batch: concat(Array.from({ length: 32 }, () => frame)), owed: 0 })
  }
  /** Packets a millisecond. */
  const perSender = (offered * 125) / pairs / PACKET_BYTES
  let last = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    for (const s of senders) {
      const { socket } = s.client
      s.owed = offered === Infinity ? Infinity : s.owed + perSender * (now - last)
      while (s.owed >= 1) {
        if (socket.writableLength >= MOST_UNSENT_BYTES) {
          wanted += offered === Infinity ? 0 : Math.floor(s.owed)
          s.owed %= 1
          break
        }
        const n = Math.min(32, Math.floor(s.owed))
        socket.write(s.batch.subarray(0, n * FRAME_BYTES))
        wanted += n
        s.owed -= n
      }
      if (s.owed === Infinity || Number.isNaN(s.owed)) s.owed = 0
    }
    last = now
  }, TICK_MS)
  await sleep(WARM_UP_MS)
  const pid = relay.process.pid as number
  const before = { received, wanted, cpu: cpuMs(pid), at: performance.now() }
  await sleep(seconds * 1000)
  const ms = performance.now() - before.at
  const cores = (cpuMs(pid) - before.cpu) / ms
  const mbit = (packets: number) => (packets * PACKET_BYTES * 8) / ms / 1000
  const deliveredMbit = mbit((received - before.received) / FRAME_BYTES)
  clearInterval(timer)
  for (const client of clients) client.close()
  await sleep(300)
  return {
    offeredMbit: mbit(wanted - before.wanted),
    deliveredMbit,
    perCoreMbit: deliveredMbit / cores,
    relayCores: cores,
  }
}

function show(name: string, what: string, r: Result): void {
  const figures = [r.offeredMbit, r.deliveredMbit, r.perCoreMbit].map((x) => x.toFixed(0).padStart(7)).join(' ')
  console.log(`${name.padEnd(8)}${what.padEnd(16)}${figures}   ${r.relayCores.toFixed(2)}`)
}

async function run(): Promise<void> {
  const { values } = parseArgs({
    options: {
      pairs: { type: 'string', default: '4' },
      seconds: { type: 'string', default: '5' },
      offer: { type: 'string', default: '200,400,800,1600,3200' },
      peer: { type: 'string' },
    },
  })
  const folder = mkdtempSync(join(tmpdir(), 'relay-bench-'))
  const tls = makeSelfSigned([HOST], new Date())
  const key = generateKey(p.random)
  const contestants = [await startOwn(key, tls)]
  if (values.peer !== undefined) contestants.push(await startDerper(values.peer, folder, key, tls))
  console.log(`relay: Mbit/s of ${PACKET_BYTES}-byte packets, ${values.pairs} pairs, ${values.seconds} s each`)
  console.log(`${''.padEnd(24)}offered  delivered  a core   cores`)
  try {
    for (const contestant of contestants) {
      const go = (offered: number) =>
        measure(contestant, tls.cert, Number(values.pairs), offered, Number(values.seconds))
      show(contestant.name, 'what it takes', await go(Infinity))
      for (const offered of values.offer.split(','))
        show(contestant.name, `offered ${offered}`, await go(Number(offered)))
    }
  } finally {
    for (const { process } of contestants) process.kill()
    rmSync(folder, { recursive: true })
  }
}

async function serve(): Promise<void> {
  const [{ key, tls }] = (await once(process, 'message')) as [{ key: string; tls: CertifiedKey }]
  const relay = await startRelay({
    listen: { host: HOST, port: 0 },
    key: PrivateKey.parse(key),
    tls,
    stun: [],
    admission: { admits: () => ({ realm: 'bench' }) },
    log: () => {},
  })
  process.on('disconnect', () => process.exit())
  process.send?.({ port: relay.address.port })
}

await (process.argv[2] === 'serve' ? serve() : run())
