/** Tells the log why connections of this machine's are refused by peers: once for each place in a while. */

import { later } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'
import { formatAddressPort, formatIp } from '../../base/ip.ts'
import type { RejectedFlow, RejectReason } from '../../wire/tsmp.ts'

const SILENT_MS = 10_000
/** Peers decide what is refused, so they must not decide how much is kept. */
const KEPT_MOST = 256

export class Refusals {
  readonly #log: (line: string) => void
  readonly #silentUntil = new Map<string, Mono>()

  constructor(log: (line: string) => void) {
    this.#log = log
  }

  note({ src, dst }: RejectedFlow, reason: RejectReason, now: Mono): void {
    const line = `${formatAddressPort(dst)} refuses connections from ${formatIp(src.ip)}: ${reason}`
    if (now < (this.#silentUntil.get(line) ?? -Infinity)) return
    if (this.#silentUntil.size >= KEPT_MOST) this.#silentUntil.clear()
    this.#silentUntil.set(line, later(now, SILENT_MS))
    this.#log(line)
  }
}
