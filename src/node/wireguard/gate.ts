/**
 * What a handshake message has to pass before any key is exchanged for it (WireGuard paper §5.3): mac1 always; while we
 * are busy, also a cookie, and its host's share of our time.
 */

import { utf8 } from '../../base/bytes.ts'
import type { Bytes } from '../../base/bytes.ts'
import type { Mono } from '../../base/clock.ts'
import type { Primitives } from '../../crypto/primitives.ts'
import type { Drop, Source } from './actions.ts'
import { MacChecker } from './cookies.ts'
import { HostLimiter, LoadMeter } from './load.ts'

export type Verdict =
  | { readonly kind: 'pass' }
  | { readonly kind: 'drop'; readonly why: Drop }
  | { readonly kind: 'reply'; readonly bytes: Uint8Array }

const PASS: Verdict = { kind: 'pass' }
const WRONG_MAC1: Verdict = { kind: 'drop', why: 'mac1' }
const HOST_LIMIT: Verdict = { kind: 'drop', why: 'host-limit' }

export class Gate {
  readonly #macs: MacChecker
  readonly #isBusy: (now: Mono) => boolean
  readonly #hosts = new HostLimiter()

  /** @param isBusy asked once for every message whose mac1 is right; by default, whether there are many of them */
  constructor(p: Primitives, ownPublicKey: Bytes, isBusy?: (now: Mono) => boolean) {
    this.#macs = new MacChecker(p, ownPublicKey)
    const load = new LoadMeter()
    this.#isBusy = isBusy ?? ((now) => load.isBusy(now))
  }

  /**
   * @param message an initiation or response
   * @param sender its sender index
   */
  check(message: Bytes, sender: number, from: Source, now: Mono): Verdict {
    if (!this.#macs.isMac1Right(message)) return WRONG_MAC1
    if (!this.#isBusy(now)) return PASS
    const source = utf8(`${from.port} ${from.host}`)
    if (!this.#macs.isMac2Right(message, source, now))
      return { kind: 'reply', bytes: this.#macs.reply(message, sender, source, now) }
    return this.#hosts.allows(from.host, now) ? PASS : HOST_LIMIT
  }
}
