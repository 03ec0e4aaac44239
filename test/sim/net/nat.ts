/**
 * Routers that share one address among those behind them, as RFC 4787 sorts them:
 *
 *   kind             same port for all destinations   lets in
 *   full-cone        yes                              everybody
 *   restricted       yes                              addresses that were sent to
 *   port-restricted  yes                              addresses and ports that were sent to
 *   symmetric        no, one a destination            that destination
 */

export type NatKind = 'full-cone' | 'restricted' | 'port-restricted' | 'symmetric'

interface Mapping {
  /** Who is behind it: `ip:port`. */
  readonly inner: string
  readonly port: number
  usedAt: number
  readonly sentTo: Set<string>
}

/** Common routers forget a silent UDP mapping after 30 s (RFC 4787 asks for two minutes and more). */
const FORGET_MS = 30_000

export class Nat {
  readonly kind: NatKind
  readonly publicIp: string
  #nextPort: number
  readonly #byInner = new Map<string, Mapping>()
  readonly #byPort = new Map<number, Mapping>()

  constructor(kind: NatKind, publicIp: string, firstPort: number) {
    this.kind = kind
    this.publicIp = publicIp
    this.#nextPort = firstPort
  }

  /** A datagram leaves. Gives the source `ip:port` that the world sees. */
  out(inner: string, to: string, now: number): string {
    const key = this.kind === 'symmetric' ? `${inner}>${to}` : inner
    let mapping = this.#byInner.get(key)
    if (mapping === undefined || now - mapping.usedAt > FORGET_MS) {
      mapping = { inner, port: this.#nextPort++, usedAt: now, sentTo: new Set() }
      this.#byInner.set(key, mapping)
      this.#byPort.set(mapping.port, mapping)
    }
    mapping.usedAt = now
    mapping.sentTo.add(this.#filterOf(to))
    return `${this.publicIp}:${mapping.port}`
  }

  /** A datagram arrives. Gives who is to have it, `undefined` when it is not let in. */
  in(port: number, from: string, now: number): string | undefined {
    const mapping = this.#byPort.get(port)
    if (mapping === undefined || now - mapping.usedAt > FORGET_MS) return undefined
    if (this.kind !== 'full-cone' && !mapping.sentTo.has(this.#filterOf(from))) return undefined
    return mapping.inner
  }

  #filterOf(address: string): string {
    return this.kind === 'restricted' ? address.slice(0, address.lastIndexOf(':')) : address
  }
}
