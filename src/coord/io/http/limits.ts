/**
 * How often and how much one address may: token buckets and counts, in tables that cannot grow without bound.
 *
 * IPv6 addresses count by their /64, since whoever has one has all of it.
 */

/** What one customer of the limits is called. */
export function limitKey(address: string): string {
  if (!address.includes(':')) return address
  const [head = ''] = address.split('::', 1)
  const groups = head === '' ? [] : head.split(':')
  while (groups.length < 4) groups.push('0')
  return groups.slice(0, 4).join(':')
}

export interface BucketRules {
  /** How many at once after a quiet time. */
  readonly burst: number
  readonly perSecond: number
  /** Customers remembered; beyond that the quietest are forgotten. */
  readonly customers: number
}

/** Token buckets by address. Time is milliseconds on any clock that does not jump back. */
export class Buckets {
  readonly #rules: BucketRules
  /** Insertion order is order of last use. */
  readonly #buckets = new Map<string, { left: number; at: number }>()

  constructor(rules: BucketRules) {
    this.#rules = rules
  }

  /** Takes one token; `false` when there is none. */
  take(address: string, now: number): boolean {
    const { burst, perSecond, customers } = this.#rules
    const key = limitKey(address)
    const bucket = this.#buckets.get(key) ?? { left: burst, at: now }
    this.#buckets.delete(key)
    bucket.left = Math.min(burst, bucket.left + (Math.max(0, now - bucket.at) / 1000) * perSecond)
    bucket.at = now
    this.#buckets.set(key, bucket)
    if (this.#buckets.size > customers) {
      const oldest = this.#buckets.keys().next().value
      if (oldest !== undefined) this.#buckets.delete(oldest)
    }
    if (bucket.left < 1) return false
    bucket.left--
    return true
  }
}

export interface SlotRules {
  readonly perAddress: number
  readonly total: number
}

/** How many each address has now, with a limit for one and for all. */
export class Slots {
  readonly #perAddress: number
  readonly #total: number
  readonly #held = new Map<string, number>()
  #count = 0

  constructor(limits: SlotRules) {
    this.#perAddress = limits.perAddress
    this.#total = limits.total
  }

  get count(): number {
    return this.#count
  }

  /** Takes a slot; gives the function that returns it (once, however often it is called), or `undefined`. */
  take(address: string): (() => void) | undefined {
    const key = limitKey(address)
    const held = this.#held.get(key) ?? 0
    if (held >= this.#perAddress || this.#count >= this.#total) return undefined
    this.#held.set(key, held + 1)
    this.#count++
    let taken = true
    return () => {
      if (!taken) return
      taken = false
      this.#count--
      const left = (this.#held.get(key) ?? 1) - 1
      if (left <= 0) this.#held.delete(key)
      else this.#held.set(key, left)
    }
  }
}
