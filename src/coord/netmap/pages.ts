/**
 * Nodes in order of their ids, cut into pages whose text is compressed once and shared by every map that holds
 * the whole page. A zstd payload may consist of several frames, so a map is pages put one after another.
 *
 * Recompressing costs what one page holds, so a change costs a page and not the tailnet.
 */

import { BitSet } from '../../base/bit-set.ts'

/** About 40 kB of text: large enough to compress well, small enough to redo for one change (0.2 ms). */
const PAGE_SIZE = 64

export interface Paged {
  readonly id: number
  readonly slot: number
  /** Whose profile goes with it. */
  readonly profile: number
  /** Is there anything to show of it? */
  readonly isShown: boolean
  /** Does it look different to different viewers, by the routes that they are told of? */
  readonly isRouter: boolean
}

export class Page<T extends Paged> {
  readonly items: T[]
  #whole: Whole<T> | undefined

  constructor(items: T[]) {
    this.items = items
  }

  /** Everything that the page shows; the same object until one of its items changes. */
  get whole(): Whole<T> {
    return (this.#whole ??= new Whole(this.items.filter(({ isShown }) => isShown)))
  }

  changed(): void {
    this.#whole = undefined
  }
}

/** What a page shows to those who see all of it, and its text for them once somebody has needed it. */
export class Whole<T extends Paged> {
  readonly items: readonly T[]
  readonly slots = new BitSet()
  readonly profiles = new Set<number>()
  readonly routers: T[] = []
  frame: Uint8Array | undefined
  /** Bytes of JSON behind the frame. */
  length = 0

  constructor(items: readonly T[]) {
    this.items = items
    for (const item of items) {
      this.slots.add(item.slot)
      this.profiles.add(item.profile)
      if (item.isRouter) this.routers.push(item)
    }
  }
}

export class Pages<T extends Paged> {
  readonly #pages: Page<T>[] = []
  readonly #compress: (text: string) => Uint8Array

  constructor(compress: (text: string) => Uint8Array) {
    this.#compress = compress
  }

  [Symbol.iterator](): Iterator<Page<T>> {
    return this.#pages[Symbol.iterator]()
  }

  insert(item: T): void {
    const at = this.#pageOf(item.id)
    const page = this.#pages[at]
    if (page === undefined) {
      this.#pages.push(new Page([item]))
      return
    }
    const last = at === this.#pages.length - 1 && item.id > (page.items.at(-1) as T).id
    if (last && page.items.length >= PAGE_SIZE) {
      this.#pages.push(new Page([item]))
      return
    }
    const index = page.items.findIndex((other) => other.id > item.id)
    page.items.splice(index < 0 ? page.items.length : index, 0, item)
    page.changed()
    if (page.items.length <= 2 * PAGE_SIZE) return
    this.#pages.splice(at + 1, 0, new Page(page.items.splice(PAGE_SIZE)))
  }

  remove(item: T): void {
    const at = this.#pageOf(item.id)
    const page = this.#pages[at]
    const index = page?.items.indexOf(item) ?? -1
    if (page === undefined || index < 0) return
    page.items.splice(index, 1)
    page.changed()
    if (page.items.length === 0) this.#pages.splice(at, 1)
  }

  /** One of its items has changed: the page must be compressed anew before it is used again. */
  touch(item: T): void {
    const page = this.#pages[this.#pageOf(item.id)]
    page?.changed()
  }

  /** All that a page shows, compressed; shared until one of its items changes. */
  shared(whole: Whole<T>, text: (item: T) => string): Uint8Array {
    if (whole.frame === undefined) {
      const json = whole.items.map(text).join(',')
      whole.length = json.length
      whole.frame = this.#compress(json)
    }
    return whole.frame
  }

  /** Index of the page that holds or would take this id; the last one for ids beyond it. */
  #pageOf(id: number): number {
    let low = 0
    let high = this.#pages.length - 1
    while (low < high) {
      const mid = (low + high) >>> 1
      if ((this.#pages[mid] as Page<T>).items.at(-1)!.id >= id) high = mid
      else low = mid + 1
    }
    return low
  }
}
