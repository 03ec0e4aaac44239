import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { PacketHeader } from '../../wire/ip-packet.ts'
import { FLOWS, FlowTable } from './flows.ts'

interface Flow {
  readonly version: 4 | 6
  readonly protocol: 17 | 132
  readonly local: number
  readonly remote: number
  readonly localPort: number
  readonly remotePort: number
}

const flow = (n: number, more: Partial<Flow> = {}): Flow => ({
  version: 4,
  protocol: 17,
  local: 1,
  remote: 2,
  localPort: n,
  remotePort: 53,
  ...more,
})

const h = new PacketHeader()

function packet(src: number, dst: number, srcPort: number, dstPort: number, { version, protocol }: Flow): PacketHeader {
  const last = version === 4 ? ([src, 0, dst, 0] as const) : ([0x20010db8, src, 0x20010db8, dst] as const)
  return Object.assign(h, {
    version,
    protocol,
    srcPort,
    dstPort,
    src0: last[0],
    src3: last[1],
    dst0: last[2],
    dst3: last[3],
  })
}
const out = (f: Flow): PacketHeader => packet(f.local, f.remote, f.localPort, f.remotePort, f)
const back = (f: Flow): PacketHeader => packet(f.remote, f.local, f.remotePort, f.localPort, f)

test('only what goes back the way of a flow answers it', () => {
  const noted = flow(7)
  const rows: readonly { name: string; of: Flow; want: boolean }[] = [
    { name: 'the answer', of: noted, want: true },
    { name: 'another local port', of: flow(8), want: false },
    { name: 'another remote port', of: flow(7, { remotePort: 54 }), want: false },
    { name: 'another remote address', of: flow(7, { remote: 3 }), want: false },
    { name: 'another local address', of: flow(7, { local: 3 }), want: false },
    { name: 'another protocol', of: flow(7, { protocol: 132 }), want: false },
    { name: 'the other family', of: flow(7, { version: 6 }), want: false },
    { name: 'addresses the wrong way around', of: flow(7, { local: 2, remote: 1 }), want: false },
    { name: 'ports the wrong way around', of: flow(53, { remotePort: 7 }), want: false },
  ]
  for (const { name, of, want } of rows) {
    const table = new FlowTable()
    table.note(out(noted))
    assert.equal(table.answers(back(of)), want, name)
  }
})

test('the flows used last are kept, however they come and go', () => {
  const step = fc.record({
    isOut: fc.constantFrom(true, true, false),
    // Mostly more flows than there is room for.
    n: fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 0, max: 2 * FLOWS }) }, fc.nat(40)),
    version: fc.constantFrom(4 as const, 6 as const),
  })
  let evicted = 0
  fc.assert(
    fc.property(fc.array(step, { minLength: 2500, maxLength: 2500, size: 'max' }), (steps) => {
      const table = new FlowTable(new SharedArrayBuffer(FlowTable.BYTES))
      // Two threads' views of one table.
      const other = new FlowTable(table.buffer)
      const plain = new Set<string>()
      for (const { isOut, n, version } of steps) {
        const of = flow(n, { version: n % 2 === 0 ? version : 4 })
        const key = JSON.stringify(of)
        const had = plain.delete(key)
        if (isOut) table.note(out(of))
        else assert.equal(other.answers(back(of)), had)
        if (isOut || had) plain.add(key)
        const [oldest] = plain
        if (plain.size > FLOWS && oldest !== undefined) {
          plain.delete(oldest)
          evicted++
        }
      }
    }),
    { numRuns: 12, seed: 6 },
  )
  assert.ok(evicted > 1000)
})

test('ages are told apart when the clock turns over', () => {
  const table = new FlowTable()
  const words = new Int32Array(table.buffer)
  words[1] = 0x7fff_ffff - 200
  for (let n = 0; n < FLOWS; n++) table.note(out(flow(n)))
  table.note(out(flow(9999)))
  assert.deepEqual(
    [0, 1, 9999].map((n) => table.answers(back(flow(n)))),
    [false, true, true],
  )
})

test('a hash that is alike is not enough', () => {
  for (let word = 1; word < 12; word++) {
    const table = new FlowTable()
    const words = new Int32Array(table.buffer)
    const noted = flow(7, { version: 6 })
    table.note(out(noted))
    const at = words.length - FLOWS * 12 + word
    words[at] = (words[at] as number) ^ 0x100
    // All but the last use are the flow's own.
    assert.equal(table.answers(back(noted)), word === 1, `word ${word}`)
  }
})

test('a flow that is being written answers nothing, and a lock that is held is not waited for', () => {
  const table = new FlowTable()
  const words = new Int32Array(table.buffer)
  table.note(out(flow(1)))
  const slot = words.length - FLOWS * 12
  const tag = words[slot] as number
  words[slot] = 0
  assert.equal(table.answers(back(flow(1))), false)
  words[slot] = tag
  assert.equal(table.answers(back(flow(1))), true)

  words[0] = 1
  table.note(out(flow(2)))
  assert.equal(table.answers(back(flow(2))), false)
  assert.equal(table.answers(back(flow(1))), true)
  table.clear()
  assert.equal(table.answers(back(flow(1))), false)
  table.note(out(flow(2)))
  assert.equal(table.answers(back(flow(2))), true)
})
