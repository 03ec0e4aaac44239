/** A control connection in memory, whose client says inside Noise what it likes. */

import assert from 'node:assert/strict'
import type { Mono } from '../../src/base/clock.ts'
import type { ControlHandler } from '../../src/coord/control.ts'
import { Bodies } from '../../src/coord/io/control/bodies.ts'
import { ControlConnection } from '../../src/coord/io/control/connection.ts'
import type { Pipe, PipeEvents } from '../../src/coord/io/control/pipe.ts'
import { Turn } from '../../src/coord/io/control/turn.ts'
import { nodePrimitives as p } from '../../src/crypto/io/node-primitives.ts'
import { acceptInitiation, initiate } from '../../src/crypto/noise.ts'
import { generateKey, machineKeyFor } from '../../src/crypto/primitives.ts'
import { sealRecords } from '../../src/wire/noise-frame.ts'

export const BODIES_LEFT = 4 << 20

/** A pipe whose other end takes everything at once. */
class OpenPipe implements Pipe {
  readonly backlog = 0
  sent = 0
  events: PipeEvents | undefined
  write(bytes: Uint8Array): void {
    this.sent += bytes.length
  }
  end(): void {
    this.events?.closed()
  }
  destroy(): void {
    this.events?.closed()
  }
  listen(events: PipeEvents): void {
    this.events = events
  }
}

const serverKey = generateKey(p.random)

export class Inside {
  readonly connection: ControlConnection
  readonly bodies = new Bodies(BODIES_LEFT)
  /** What the server logged as its own trouble. */
  readonly faults: unknown[] = []
  closed = 0
  readonly #pipe = new OpenPipe()
  readonly #seal: (clear: Uint8Array) => Uint8Array

  constructor(handler: ControlHandler) {
    const begun = initiate(p, generateKey(p.random), machineKeyFor(p, serverKey), 131)
    const accepted = begun && acceptInitiation(p, serverKey, 131, begun.message)
    const client = accepted && begun.finish(accepted.response)
    assert.ok(accepted !== undefined && client !== undefined)
    this.#seal = (clear) => sealRecords(client.sender, [clear])
    const quiet = () => {}
    const fault = (event: string, fields?: object) => void this.faults.push(event, fields)
    this.connection = new ControlConnection(
      this.#pipe,
      { machine: accepted.machine, version: 131, from: '192.0.2.1', session: accepted },
      {
        handler: () => handler,
        turn: new Turn(),
        log: { trace: quiet, debug: quiet, info: quiet, warn: fault, error: fault },
        bodies: this.bodies,
        mono: () => 1000 as Mono,
        counted: quiet,
      },
      { first: accepted.response, early: new Uint8Array(0) },
      () => this.closed++,
    )
  }

  /** Bytes that the server has written. */
  get sent(): number {
    return this.#pipe.sent
  }

  /** The client says this, in records of its own. */
  say(clear: Uint8Array): void {
    this.carry(this.#seal(clear))
  }

  /** Seals without sending, for what then comes in pieces. */
  seal(clear: Uint8Array): Uint8Array {
    return this.#seal(clear)
  }

  carry(sealed: Uint8Array): void {
    if (this.closed === 0) this.#pipe.events?.data(sealed)
  }
}
