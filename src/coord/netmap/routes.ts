/**
 * Which node routes which prefix: advertised by it and approved by an administrator; where several do, one of
 * them is primary, since no two peers may carry the same prefix (control.md §5.6). Exit routes are shared by all.
 */

import { isExitRoute } from '../model/routes.ts'

/** The primary of each prefix. It keeps the part while it is online or nobody else is. */
export class Primaries {
  readonly #primary = new Map<string, number>()
  readonly #routers = new Map<string, Set<number>>()

  /** Takes note of what a node routes now (nothing when it is gone). Returns the nodes whose part changed. */
  update(node: number, prefixes: readonly string[], isOnline: (node: number) => boolean): Set<number> {
    const touched = new Set(prefixes.filter((p) => !isExitRoute(p)))
    for (const [prefix, routers] of this.#routers) {
      if (!routers.has(node)) continue
      if (!touched.has(prefix)) {
        routers.delete(node)
        if (routers.size === 0) this.#routers.delete(prefix)
      }
      touched.add(prefix)
    }
    for (const prefix of prefixes) {
      if (isExitRoute(prefix)) continue
      const routers = this.#routers.get(prefix) ?? new Set()
      routers.add(node)
      this.#routers.set(prefix, routers)
    }
    const moved = new Set<number>()
    for (const prefix of touched) this.#elect(prefix, isOnline, moved)
    return moved
  }

  isPrimary(node: number, prefix: string): boolean {
    return this.#primary.get(prefix) === node
  }

  #elect(prefix: string, isOnline: (node: number) => boolean, moved: Set<number>): void {
    const routers = [...(this.#routers.get(prefix) ?? [])].sort((a, b) => a - b)
    const now = this.#primary.get(prefix)
    const stays = now !== undefined && routers.includes(now) && (isOnline(now) || !routers.some(isOnline))
    if (stays) return
    const next = routers.find(isOnline) ?? routers[0]
    if (next === now) return
    if (now !== undefined) moved.add(now)
    if (next === undefined) this.#primary.delete(prefix)
    else {
      moved.add(next)
      this.#primary.set(prefix, next)
    }
  }
}
