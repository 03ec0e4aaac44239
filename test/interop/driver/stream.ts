/** A connection that is in use all the time: what goes through it comes back, evenly, and nothing may be lost of it. */
import type { Namespace } from '../../lab/namespace.ts'
import type { LabProcess } from '../../lab/process.ts'
import type { Serving } from '../../lab/traffic.ts'

export type Streamed = {
  /** `ended`, or why it ended before it was to. */
  readonly how: string
  readonly same: boolean
  readonly bytes: number
  readonly maxGapMs: number
}

/** Sends some kilobytes every 20 ms until its input ends; then says what became of them. */
const STREAM = `
const { createHash, randomBytes } = require('node:crypto'), s = require('node:net').connect(5000, process.argv[1])
const out = createHash('sha256'), back = createHash('sha256'), block = randomBytes(Number(process.argv[2]))
let bytes = 0, last = 0, maxGapMs = 0, asked = false
const gap = () => { const now = performance.now(); if (last > 0) maxGapMs = Math.max(maxGapMs, now - last); last = now }
const end = (how) => { gap(); console.log(JSON.stringify({ how, same: back.digest('hex') === out.digest('hex'), bytes, maxGapMs })); process.exit() }
s.on('data', (d) => { gap(); bytes += d.length; back.update(d) })
s.on('end', () => end(asked ? 'ended' : 'closed by the other')).on('error', (e) => end(e.code))
s.on('connect', () => console.log('streaming'))
const timer = setInterval(() => { if (!s.writableNeedDrain) { block.writeUInt32LE((Math.random() * 2 ** 32) >>> 0); const b = Buffer.from(block); out.update(b); s.write(b) } }, 20)
process.stdin.on('end', () => { asked = true; clearInterval(timer); s.end() }).resume()`

export class Stream {
  readonly #process: LabProcess

  /** Resolves once it is connected. `bytes` go there every 20 ms. */
  static async open(from: Namespace, to: Serving, bytes = 4000): Promise<Stream> {
    const running = from.spawn(process.execPath, ['-e', STREAM, to.address, String(bytes)], { name: 'stream' })
    await running.waitFor(/streaming/)
    return new Stream(running)
  }

  private constructor(running: LabProcess) {
    this.#process = running
  }

  /** Ends it, and resolves when all that went has come back. */
  async end(): Promise<Streamed> {
    this.#process.child.stdin?.end()
    const [text] = await this.#process.waitFor(/^\{.*\}$/m, 60_000)
    return JSON.parse(text) as Streamed
  }
}
