/** Two machines and random shells: every body arrives whole and in order, and nobody calls anything a fault. */

import { concat } from '../../base/bytes.ts'
import { NOW } from './by-hand.ts'
import { promise } from './dice.fuzz.ts'
import type { Below } from './dice.fuzz.ts'
import { H2Client, H2Server } from './index.ts'
import type { H2ClientEvent, H2ServerEvent } from './index.ts'

type Machine = H2Server | H2Client
type Event = H2ServerEvent | H2ClientEvent

/** One direction of one stream: how much was written and has arrived, and whether each has ended. */
type Flow = { wrote: number; got: number; ended: boolean; arrived: boolean }

/** A side of the conversation, with what it says on each stream. */
type Side = { readonly machine: Machine; readonly says: Map<number, Flow>; readonly salt: number }

const ROUNDS = 12

export function converse(below: Below): void {
  const windows = () => ({ streamWindow: 65_535 + below(50_000), connectionWindow: 65_535 + below(100_000) })
  const client = new H2Client({ limits: windows() })
  const server = new H2Server({ limits: { ...windows(), concurrentStreams: 5 } })
  const [up, down]: [Side, Side] = [
    { machine: client, says: new Map(), salt: 0 },
    { machine: server, says: new Map(), salt: 101 },
  ]
  const owed: (() => void)[] = []
  const answer = (event: Event) => {
    if (event.kind !== 'request') return
    promise(server.respond(event.stream, 200, [['x', 'y']]), 'a stream that is gone')
    down.says.set(event.stream, { wrote: 0, got: 0, ended: false, arrived: false })
  }
  for (let round = 0; ; round++) {
    const more = round < ROUNDS
    if (more && below(2) === 0) {
      const stream = client.request({ method: 'POST', path: '/', authority: 'a' })
      if (stream !== undefined) up.says.set(stream, { wrote: 0, got: 0, ended: false, arrived: false })
    }
    say(below, up, () => !more || below(4) === 0)
    // An answer that ends before its request would cut that short.
    say(below, down, (stream) => up.says.get(stream)?.arrived === true && (!more || below(4) === 0))
    carry(below, up, server, owed, answer)
    carry(below, down, client, owed, () => {})
    // A shell may be slow to use what it got, but not for ever.
    for (const use of owed.splice(0, more ? below(owed.length + 1) : owed.length)) use()
    const flows = [...up.says.values(), ...down.says.values()]
    if (!more && flows.every((flow) => flow.arrived) && !client.due && !server.due) break
    promise(round < ROUNDS + 500, 'a conversation that comes to an end')
  }
  promise(client.openStreams === 0 && server.openStreams === 0, 'nothing is left open')
}

/** Writes a little more on every stream whose buffer is empty. */
function say(below: Below, side: Side, ends: (stream: number) => boolean): void {
  for (const [stream, flow] of side.says) {
    if (flow.ended || side.machine.bufferedBytes(stream) > 0) continue
    const start = flow.wrote
    flow.wrote += below(below(4) === 0 ? 50_000 : 3000)
    flow.ended = ends(stream)
    const bytes = Uint8Array.from({ length: flow.wrote - start }, (_, i) => byteAt(side.salt + stream, start + i))
    promise(side.machine.write(stream, bytes, { end: flow.ended }), 'a stream that is gone')
  }
}

/** Carries some of what is due to the other machine, in pieces. */
function carry(below: Below, from: Side, to: Machine, owed: (() => void)[], on: (event: Event) => void): void {
  const bytes = concat(from.machine.take(1 + below(60_000)))
  for (let at = 0; at < bytes.length;) {
    const piece = bytes.subarray(at, (at += 1 + below(20_000)))
    for (const event of to.receive(piece, NOW)) {
      promise(event.kind !== 'failed' && event.kind !== 'reset', `a fault: ${JSON.stringify(event)}`)
      on(event)
      if (event.kind !== 'data') continue
      const flow = from.says.get(event.stream) as Flow
      const { stream, bytes: part } = event
      for (let i = 0; i < part.length; i++) promise(part[i] === byteAt(from.salt + stream, flow.got + i), 'other bytes')
      flow.got += part.length
      flow.arrived = event.endStream
      promise(!event.endStream || (flow.ended && flow.got === flow.wrote), 'an end before its time')
      owed.push(() => to.consumed(stream, part.length))
    }
  }
}

/** Byte `at` of a body: another for each stream and direction. */
function byteAt(salt: number, at: number): number {
  return (at * 7 + (at >>> 8) * 13 + salt * 29) & 0xff
}
