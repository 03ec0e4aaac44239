/** Traffic between namespaces: pings that say when they were answered, transfers with checksums, datagrams that are counted. */

import { setTimeout as wait } from 'node:timers/promises'
import type { Namespace } from './namespace.ts'
import type { LabProcess } from './process.ts'

/** One ping that is sent until something comes back; rejects when nothing has for `seconds`. */
export const reachable = (from: Namespace, address: string, seconds = 20): Promise<string> =>
  from.exec('ping', ['-c', '1', '-i', '0.2', '-w', String(seconds), address])

/** Does one ping of a second come back? */
export const answers = (from: Namespace, address: string): Promise<boolean> =>
  from.exec('ping', ['-c', '1', '-W', '1', address]).then(
    () => true,
    () => false,
  )

/** Pings that go on, also while there is no route, and when each was answered. */
export class Pulse {
  readonly #from: Namespace
  readonly #args: readonly string[]
  #process: LabProcess | undefined
  #stopped = false
  /** When answers came, in milliseconds of `performance.now()`. */
  readonly answered: number[] = []

  constructor(from: Namespace, address: string, everyMs = 20) {
    this.#from = from
    this.#args = ['-n', '-i', String(everyMs / 1000), address]
    this.#ping()
  }

  /** Resolves with the moment of the first answer that comes after `since`. */
  async next(since = performance.now(), patienceMs = 30_000): Promise<number> {
    for (const end = performance.now() + patienceMs; performance.now() < end; await wait(5)) {
      const found = this.answered.find((at) => at > since)
      if (found !== undefined) return found
    }
    throw new Error(`no ping was answered in ${patienceMs} ms`)
  }

  /** The longest time between two answers since then, and up to now. */
  longestGap(since: number): number {
    const times = [...this.answered.filter((at) => at >= since), performance.now()]
    return Math.max(...times.map((at, i) => at - (times[i - 1] ?? since)))
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#process?.stop('SIGKILL')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /** Where there is no route at first, `ping` ends at once. */
  #ping(): void {
    if (this.#stopped) return
    this.#process = this.#from.spawn('ping', this.#args, {
      name: 'pulse',
      onLine: (line) => {
        if (/icmp_seq=\d+ ttl/.test(line)) this.answered.push(performance.now())
      },
    })
    void this.#process.ended.then(() => setTimeout(() => this.#ping(), 10))
  }
}

/** Sends back what comes. */
const SERVE = `require('node:net').createServer((s) => s.on('error', () => {}).pipe(s)).listen(5000, process.argv[1], () => console.log('serving'))`

/** Sends so many megabytes and compares what comes back with what went. */
const FETCH = `
const { createHash, randomBytes } = require('node:crypto'), s = require('node:net').connect(5000, process.argv[1])
const block = randomBytes(1 << 20), out = createHash('sha256'), back = createHash('sha256')
s.on('data', (d) => back.update(d))
s.on('end', () => console.log(back.digest('hex') === out.digest('hex') ? 'same' : 'other'))
let left = Number(process.argv[2])
const send = () => { while (left-- > 0) { out.update(block); if (!s.write(block)) return s.once('drain', send) } s.end() }
send()`

export interface Serving extends AsyncDisposable {
  readonly address: string
}

/** Sends back whatever TCP brings to port 5000, while it is held. */
export async function serveEcho(where: Namespace, address: string): Promise<Serving> {
  const serving = where.spawn(process.execPath, ['-e', SERVE, address], { name: 'serve' })
  await serving.waitFor(/serving/)
  return { address, [Symbol.asyncDispose]: async () => void (await serving.stop('SIGKILL')) }
}

/** So many megabytes there and back at once by TCP. @returns `same` or `other` */
export async function transfer(from: Namespace, to: Serving, megabytes: number): Promise<string> {
  const args = ['-e', FETCH, to.address, String(megabytes)]
  return (await from.exec(process.execPath, args, { timeoutMs: 120_000 })).trim()
}

/** Sends back datagrams, as they come. */
const REFLECT = `const [at, port] = process.argv.slice(1), s = require('node:dgram').createSocket({ type: at.includes(':') ? 'udp6' : 'udp4' })
s.on('message', (m, from) => s.send(m, from.port, from.address)); s.bind(Number(port), at, () => console.log('reflecting'))`

/**
 * Sends so many datagrams of so many bytes and counts those that come back unharmed. At most four are on their way, which
 * every socket's buffer holds: those of a tenth of a second without any answer are taken for lost, and after 700 ms it ends.
 */
const COUNT = `
const { createHash, randomBytes } = require('node:crypto'), [to, port, count, size] = process.argv.slice(1)
const s = require('node:dgram').createSocket({ type: to.includes(':') ? 'udp6' : 'udp4' }), sums = new Set(), sum = (b) => createHash('sha256').update(b).digest('hex')
let sent = 0, back = 0, lost = 0, idle = 0
const end = () => { console.log(back); process.exit() }
const fill = () => { for (; sent < count && sent - back - lost < 4; sent++) { const b = randomBytes(Number(size)); sums.add(sum(b)); s.send(b, Number(port), to, () => {}) } }
s.on('message', (m) => { idle = 0; if (sums.delete(sum(m))) back++; if (back === Number(count)) end(); fill() })
setInterval(() => { idle++; if (sent >= count && idle >= 7) end(); if (idle > 1) { lost = sent - back; fill() } }, 100)
fill()`

/** Sends datagrams back from `port`, while it is held. */
export async function serveDatagrams(where: Namespace, address: string, port = 5001): Promise<AsyncDisposable> {
  const serving = where.spawn(process.execPath, ['-e', REFLECT, address, String(port)], { name: 'reflect' })
  await serving.waitFor(/reflecting/)
  return { [Symbol.asyncDispose]: async () => void (await serving.stop('SIGKILL')) }
}

/** @returns how many of `count` datagrams of `bytes` each came back as they were sent */
export async function datagrams(
  from: Namespace,
  to: string,
  count: number,
  bytes: number,
  port = 5001,
): Promise<number> {
  return Number(await from.exec(process.execPath, ['-e', COUNT, to, String(port), String(count), String(bytes)]))
}

/** Opens TCP to a port and says what came of it. */
const KNOCK = `const s = require('node:net').connect(Number(process.argv[2]), process.argv[1])
const end = (said) => { console.log(said); process.exit() }
s.on('connect', () => end('open')).on('error', (e) => end(e.code)); setTimeout(end, Number(process.argv[3]), 'silence')`

/** What an attempt to connect leads to: `open`, `silence`, or an error's code. */
export async function knock(from: Namespace, address: string, port: number, patienceMs = 1000): Promise<string> {
  return (await from.exec(process.execPath, ['-e', KNOCK, address, String(port), String(patienceMs)])).trim()
}
