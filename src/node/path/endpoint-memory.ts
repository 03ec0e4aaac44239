/**
 * Endpoints that other machines saw us at in the last minutes: a look that misses one does not lose it. (disco.md §4.2)
 */

import { MINUTE_MS, SECOND_MS } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'
import { formatIp } from '../../base/ip.ts'
import { addressOf } from './endpoint.ts'
import type { Endpoint } from './endpoint.ts'
import type { OwnEndpoint } from './own-endpoints.ts'

const REMEMBER_MS = 5 * MINUTE_MS + 10 * SECOND_MS
/** A NAT that changes its mind often would fill every message. */
const PORTS_PER_IP = 6

export class EndpointMemory {
  readonly #seen = new Map<Endpoint, { readonly type: OwnEndpoint['type']; at: Mono }>()

  /** Notes what a look found; local addresses are known without looking. */
  note(found: readonly OwnEndpoint[], now: Mono): void {
    for (const { endpoint, type } of found) {
      if (type === 'local') continue
      this.#seen.delete(endpoint)
      this.#seen.set(endpoint, { type, at: now })
    }
  }

  /** The remembered ones, the latest first. */
  recall(now: Mono): OwnEndpoint[] {
    const ports = new Map<string, number>()
    const recalled: OwnEndpoint[] = []
    for (const [endpoint, { type, at }] of [...this.#seen].reverse()) {
      if (now - at > REMEMBER_MS) {
        this.#seen.delete(endpoint)
        continue
      }
      const ip = formatIp(addressOf(endpoint).ip)
      const count = (ports.get(ip) ?? 0) + 1
      ports.set(ip, count)
      if (count <= PORTS_PER_IP) recalled.push({ endpoint, type })
    }
    return recalled
  }

  /** Another network: nothing that was seen there is ours any more. */
  clear(): void {
    this.#seen.clear()
  }
}
