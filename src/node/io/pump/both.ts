/**
 * Both pumps of a pair in one thread, which waits for device and sockets at a time.
 *
 * Why: what a packet that comes in makes this machine send, an acknowledgement or the answer to a ping, stands at the
 * device when the write returns. One thread reads it at once; of two, the other is woken for it, which on an idle
 * machine takes longer than all else that happens to a packet, and on a busy one costs more than sealing it. Two
 * threads carry more where there are cores for both (pumps.ts chooses). A test runs all that pumps do either way.
 */

import type { Mono } from '../../../base/clock.ts'
import type { Arena } from '../../../crypto/io/raw-memory.ts'
import type { FromPump, PumpSetup, ToPump } from './messages.ts'
import type { Pump } from './pump.ts'
import { ToTun } from './to-tun.ts'
import { ToUdp } from './to-udp.ts'
import type { Waiter } from './waiter.ts'

/** The pump for what a thread is given: of one direction, or of both. */
export function makePump(setups: readonly PumpSetup[], post: (message: FromPump) => void): Pump {
  const [toUdp, toTun] = (['to-udp', 'to-tun'] as const).map((d) => setups.find(({ direction }) => direction === d))
  if (toUdp !== undefined && toTun !== undefined) return new Both(toUdp, toTun, post)
  if (toUdp !== undefined) return new ToUdp(toUdp, post)
  if (toTun !== undefined) return new ToTun(toTun, post)
  throw new Error('A thread without a pump')
}

class Both implements Pump {
  readonly waiter: Waiter
  readonly arena: Arena
  readonly #toUdp: ToUdp
  readonly #toTun: ToTun

  constructor(toUdp: PumpSetup, toTun: PumpSetup, post: (message: FromPump) => void) {
    const sockets = toTun.sockets.map(({ fd }) => fd)
    this.#toUdp = new ToUdp(toUdp, post, sockets)
    this.waiter = this.#toUdp.waiter
    this.arena = this.#toUdp.arena
    this.#toTun = new ToTun(toTun, post, this.waiter)
  }

  take(message: ToPump, now: Mono): void {
    // Each takes what concerns its direction.
    this.#toUdp.take(message, now)
    this.#toTun.take(message, now)
  }

  turn(now: Mono): boolean {
    const comesMore = this.#toTun.turn(now)
    const goesMore = this.#toUdp.turn(now)
    return comesMore || goesMore
  }
}
