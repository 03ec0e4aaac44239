/**
 * A TUN device whose far side is this machine itself: every packet comes back with its addresses exchanged, cut into
 * packets and joined again on the way. A connection to the far side's address thus ends at this side's.
 *
 *   node test/lab/tun-mirror.ts NAME offloads|plain MTU ADDRESS/LENGTH...
 *
 * Says "ready", and at the end of its input how many packets came and how many times it read and wrote.
 */

import { execFileSync } from 'node:child_process'
import { Arena } from '../../src/crypto/io/raw-memory.ts'
import { EAGAIN, kernel } from '../../src/node/io/kernel.ts'
import { lastError } from '../../src/crypto/io/raw-memory.ts'
import { openTun } from '../../src/node/io/tun.ts'
import { cut } from '../../src/node/packet/cut.ts'
import { Joiner, RUN_BYTES } from '../../src/node/packet/join.ts'
import { memoryOf } from '../../src/node/packet/memory.ts'

const [name = '', mode = '', mtu = '', ...addresses] = process.argv.slice(2)
const tun = openTun({ name, plain: mode === 'plain' })
execFileSync('ip', ['link', 'set', tun.name, 'mtu', mtu, 'up'])
for (const address of addresses) execFileSync('ip', ['addr', 'add', address, 'dev', tun.name, 'nodad'])

const FLOWS = 8
const READ_MOST = 65_600
const arena = new Arena(READ_MOST * 3 + FLOWS * RUN_BYTES)
const memory = memoryOf(arena.buffer)
const { bytes } = memory
const runsAt = READ_MOST * 3
const counts = { reads: 0, packets: 0, writes: 0 }
const k = kernel()
const joiner = new Joiner(memory, runsAt, tun.offloads ? FLOWS : 1, tun.joinsUdp, (at, length) => {
  if (k.write(tun.fd, arena.address(at, length), length) === length) counts.writes++
})

/** Behind the largest read, so that what is cut never runs into it: what one read gives is joined before the next. */
const cutAt = READ_MOST + 16
let at = cutAt
const sink = {
  place: () => at,
  take(place: number, length: number) {
    counts.packets++
    const [from, size] = (bytes[place] as number) >> 4 === 6 ? [8, 16] : [12, 4]
    const source = bytes.slice(place + from, place + from + size)
    bytes.copyWithin(place + from, place + from + size, place + from + 2 * size)
    bytes.set(source, place + from + size)
    if (tun.offloads) joiner.push(place, length)
    else {
      bytes.fill(0, place - 10, place)
      if (k.write(tun.fd, arena.address(place - 10, length + 10), length + 10) > 0) counts.writes++
    }
    at = cutAt
  },
}

function turn(): void {
  for (let i = 0; i < 64; i++) {
    // The packet itself begins at a multiple of four.
    const length = k.read(tun.fd, arena.address(2, READ_MOST - 2), READ_MOST - 2)
    if (length < 0) {
      if (lastError() !== EAGAIN) throw new Error(`Cannot read: error ${lastError()}`)
      break
    }
    counts.reads++
    cut(memory, 2, length, sink)
  }
  joiner.flush()
}

process.stdin.on('end', () => {
  console.log(JSON.stringify(counts))
  process.exit()
})
process.stdin.resume()
console.log('ready')
const again = (): void => {
  turn()
  setImmediate(again)
}
again()
