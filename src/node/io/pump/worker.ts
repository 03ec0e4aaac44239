/**
 * The thread of one pump or a pair: turns while there is something to move, else waits in `poll`. It never goes back to the
 * event loop while it runs, so it reads the engine's words itself, whenever the doorbell has rung.
 */

import { parentPort, receiveMessageOnPort } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { makePump } from './both.ts'
import { clockAt } from './clock.ts'
import { hear } from './doorbell.ts'
import type { FromPump, PumpSetup, ToPump } from './messages.ts'
import { Words } from './messages.ts'
import { SPARE_AT } from './pump.ts'

/** The first message to a worker: until it comes, it stands by. */
export interface WorkerStart {
  /** Of one pump or of a pair; doorbell and words are the same. */
  readonly setups: readonly [PumpSetup, ...PumpSetup[]]
  readonly port: MessagePort
  readonly clockOffset: number
}

parentPort?.once('message', run)

function run({ setups, port, clockOffset }: WorkerStart): void {
  const post = (message: FromPump): void => port.postMessage(message)
  const words = new Int32Array(setups[0].shared.words)
  const clock = clockAt(clockOffset)
  const pump = makePump(setups, post)
  const takeWords = (): void => {
    hear(setups[0].doorbell, pump.arena, SPARE_AT)
    for (let got = receiveMessageOnPort(port); got !== undefined; got = receiveMessageOnPort(port))
      pump.take(got.message as ToPump, clock())
  }
  Atomics.add(words, Words.running, setups.length)
  for (let isMore = false; Atomics.load(words, Words.stop) === 0;) {
    pump.waiter.wait(isMore ? 0 : -1)
    if (pump.waiter.isReady(0)) takeWords()
    isMore = pump.turn(clock())
  }
  port.close()
}
