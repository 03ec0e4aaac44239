/** The relays that the nodes of a tailnet are told of: the server's own, as its policy changes them. (policy.md §13) */

import type { Policy } from '../../policy/policy.ts'
import type { DerpMap, DerpRegion } from '../../wire/derp-map.ts'

type Changes = NonNullable<Policy['derpMap']>

export class DerpMaps {
  readonly #own: DerpMap
  readonly #ownText: string
  /** One text for all the maps of a tailnet. */
  readonly #changed = new WeakMap<Changes, string>()

  constructor(own: DerpMap) {
    this.#own = own
    this.#ownText = JSON.stringify(own)
  }

  text(changes: Changes | undefined): string {
    if (changes === undefined) return this.#ownText
    let text = this.#changed.get(changes)
    if (text === undefined) this.#changed.set(changes, (text = JSON.stringify(changedMap(this.#own, changes))))
    return text
  }
}

/** Regions are added or replaced; `null` takes one of the server's away. */
function changedMap(own: DerpMap, { regions, omitDefaultRegions }: Changes): DerpMap {
  const all = new Map<string, DerpRegion>(omitDefaultRegions ? [] : Object.entries(own.Regions))
  for (const [id, region] of regions) {
    if (region === null) all.delete(String(id))
    else all.set(String(id), region)
  }
  return { ...own, Regions: Object.fromEntries(all) }
}
