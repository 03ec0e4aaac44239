/** Which peers lead to networks behind them: whoever takes no routes should know that there are some. */

import type { NetmapChanges } from '../control/netmap.ts'

export class RoutedPeers {
  readonly #ids = new Set<number>()

  get any(): boolean {
    return this.#ids.size > 0
  }

  /** Costs what has changed, and never the whole map. */
  take({ peers }: Pick<NetmapChanges, 'peers'>): void {
    for (const { id, now } of peers)
      if ((now?.PrimaryRoutes ?? []).length > 0) this.#ids.add(id)
      else this.#ids.delete(id)
  }
}
