/**
 * How the engine drives its pumps: in threads of their own, or, on the plain path, in the engine's. Either way words go
 * to a pump and come from it in order, and it ends when it is told to.
 */

import { MessageChannel } from 'node:worker_threads'
import type { Mono } from '../../../base/clock.ts'
import { makePump } from './both.ts'
import { offsetOf } from './clock.ts'
import { Doorbell, hear } from './doorbell.ts'
import type { FromPump, PumpSetup, ToPump } from './messages.ts'
import { Words } from './messages.ts'
import { SPARE_AT } from './pump.ts'
import { takeThread } from './thread.ts'
import type { WorkerStart } from './worker.ts'

export interface DriveOptions {
  readonly clock: () => Mono
  readonly heard: (message: FromPump) => void
  /** The pump has ended by itself. Said once at most. */
  readonly failed: (error: Error) => void
}

export interface Driven {
  tell(message: ToPump): void
  /** Tells it to end, at once and without waiting: for when the process ends. */
  stop(): void
  /** Ends it; settles when none of its descriptors is used any more. */
  close(): Promise<void>
}

type SetupWithoutDoorbell = Omit<PumpSetup, 'doorbell'>
/** One pump, or a pair that shares its words with the engine. */
export type GivenSetups = readonly [SetupWithoutDoorbell, ...SetupWithoutDoorbell[]]

function withDoorbell(given: GivenSetups, doorbell: number): [PumpSetup, ...PumpSetup[]] {
  const [first, ...others] = given
  return [{ ...first, doorbell }, ...others.map((setup) => ({ ...setup, doorbell }))]
}

/** Starts a pump, or a pair, in a thread of its own. */
export function driveInThread(given: GivenSetups, { clock, heard, failed }: DriveOptions): Driven {
  const doorbell = new Doorbell()
  const setups = withDoorbell(given, doorbell.fd)
  const words = new Int32Array(setups[0].shared.words)
  const { port1, port2 } = new MessageChannel()
  const start: WorkerStart = { setups, port: port2, clockOffset: offsetOf(clock) }
  const worker = takeThread()
  const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
  let closing = false
  worker.once('error', (error: unknown) => {
    if (!closing) failed(error instanceof Error ? error : new Error(String(error)))
  })
  port1.on('message', heard)
  worker.postMessage(start, [port2])
  // The worker is what keeps the process alive, not what it may say.
  port1.unref()
  const stop = (): void => {
    closing = true
    Atomics.store(words, Words.stop, 1)
    doorbell.ring()
  }
  return {
    tell(message) {
      port1.postMessage(message)
      doorbell.ring()
    },
    stop,
    async close() {
      stop()
      await ended
      port1.close()
      doorbell.close()
    },
  }
}

/**
 * Drives a pump in this thread, in turns with whatever else happens here. It waits in a thread of Node's pool, which
 * it keeps for itself.
 */
export function driveHere(given: GivenSetups, { clock, heard, failed }: DriveOptions): Driven {
  const doorbell = new Doorbell()
  // Never in the middle of a word of the engine's.
  const post = (message: FromPump): void => void setImmediate(heard, message)
  const pump = makePump(withDoorbell(given, doorbell.fd), post)
  const state = { stopped: false }
  Atomics.add(new Int32Array(given[0].shared.words), Words.running, given.length)
  const run = async (): Promise<void> => {
    for (let isMore = false; !state.stopped;) {
      if (isMore) {
        await new Promise(setImmediate)
        pump.waiter.wait(0)
      } else await pump.waiter.waitAside(-1)
      if (state.stopped) break
      if (pump.waiter.isReady(0)) hear(doorbell.fd, pump.arena, SPARE_AT)
      isMore = pump.turn(clock())
    }
  }
  const ended = run().catch((error: unknown) => {
    if (!state.stopped) failed(error instanceof Error ? error : new Error(String(error)))
  })
  const stop = (): void => {
    state.stopped = true
    doorbell.ring()
  }
  return {
    tell(message) {
      if (state.stopped) return
      pump.take(message, clock())
      // What it made of it leaves with a turn.
      doorbell.ring()
    },
    stop,
    async close() {
      stop()
      await ended
      doorbell.close()
    },
  }
}
