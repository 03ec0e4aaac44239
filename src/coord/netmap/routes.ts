/**
 * Which node routes which subnet: offered by it and approved by an administrator; where several do, the first of them
 * is primary, since no two peers may carry the same prefix (control.md §5.6). Exit routes are shared by all.
 *
 * The order is kept in the store wherever it is another than that of the nodes' ids, so that all servers have the same
 * and a server that starts sends nobody elsewhere.
 */

import { asRecorded, isExitRoute, usableFirst } from '../model/routes.ts'

export type IsUsable = (node: number) => boolean

/** A subnet whose routers are others than before, or in another order. */
export interface Reordered {
  readonly prefix: string
  readonly before: readonly number[]
  readonly after: readonly number[]
}

const NOBODY: readonly number[] = []

export class Primaries {
  /** Of each subnet its routers, as they are preferred. */
  readonly #orders = new Map<string, readonly number[]>()
  readonly #subnetsOf = new Map<number, readonly string[]>()
  readonly #recorded = new Map<string, readonly number[]>()
  /** Subnets whose record may not say what is so. */
  readonly #doubtful = new Set<string>()
  readonly #contested = new Map<string, readonly number[]>()
  #version = 0

  /** Grows by one whenever `contested` changes. */
  get version(): number {
    return this.#version
  }

  /** Subnets with more than one router, and these. */
  get contested(): ReadonlyMap<string, readonly number[]> {
    return this.#contested
  }

  /** Takes note of what a node routes now (nothing when it is gone), and of whether it can be used. */
  update(node: number, prefixes: readonly string[], isUsable: IsUsable): Reordered[] {
    const before = this.#subnetsOf.get(node) ?? []
    const after = prefixes.filter((prefix) => !isExitRoute(prefix))
    if (before.length === 0 && after.length === 0) return []
    if (after.length === 0) this.#subnetsOf.delete(node)
    else this.#subnetsOf.set(node, after)
    const routed = new Set(after)
    const reordered: Reordered[] = []
    for (const prefix of routed.union(new Set(before))) {
      const was = this.#orders.get(prefix) ?? NOBODY
      let is = was
      if (!routed.has(prefix)) is = was.filter((other) => other !== node)
      else if (!was.includes(node)) is = asRecorded([...was, node], this.#recorded.get(prefix))
      this.#put(prefix, was, usableFirst(is, isUsable), reordered)
    }
    return reordered
  }

  /** Takes note of the order that the store has for a subnet; `undefined`: that of the ids. */
  record(prefix: string, nodes: readonly number[] | undefined, isUsable: IsUsable): Reordered[] {
    if (nodes === undefined) this.#recorded.delete(prefix)
    else this.#recorded.set(prefix, nodes)
    this.#doubtful.add(prefix)
    const reordered: Reordered[] = []
    const was = this.#orders.get(prefix)
    if (was !== undefined) this.#put(prefix, was, usableFirst(asRecorded(was, nodes), isUsable), reordered)
    return reordered
  }

  isPrimary(node: number, prefix: string): boolean {
    return this.#orders.get(prefix)?.[0] === node
  }

  /** Is the one router of a subnet preferred to the other? */
  goesBefore(prefix: string, a: number, b: number): boolean {
    const order = this.#orders.get(prefix) ?? NOBODY
    return order.indexOf(a) < order.indexOf(b)
  }

  /** Orders that the store does not have yet; `undefined`: it has one that is of no use. */
  unrecorded(): Map<string, readonly number[] | undefined> {
    const unrecorded = new Map<string, readonly number[] | undefined>()
    for (const prefix of this.#doubtful) {
      const order = this.#orders.get(prefix) ?? NOBODY
      const recorded = this.#recorded.get(prefix)
      const byId = order.toSorted((a, b) => a - b)
      if (order.length > 1 && !isSame(order, asRecorded(byId, recorded))) unrecorded.set(prefix, order)
      else if (order.length < 2 && recorded !== undefined) unrecorded.set(prefix, undefined)
      else this.#doubtful.delete(prefix)
    }
    return unrecorded
  }

  #put(prefix: string, before: readonly number[], after: readonly number[], reordered: Reordered[]): void {
    if (isSame(before, after)) return
    if (after.length === 0) this.#orders.delete(prefix)
    else this.#orders.set(prefix, after)
    if (before.length > 1 || after.length > 1) {
      if (after.length > 1) this.#contested.set(prefix, after)
      else this.#contested.delete(prefix)
      this.#version++
      this.#doubtful.add(prefix)
    }
    reordered.push({ prefix, before, after })
  }
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((node, i) => node === b[i])
}
