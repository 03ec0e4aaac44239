/** Which node key a registration goes with, and which one the node has (control.md §4.3). Keys count once accepted. */

import type { NodeKey, PrivateKey } from '../../base/keys.ts'
import { generateKey, nodeKeyFor } from '../../crypto/primitives.ts'
import type { Primitives } from '../../crypto/primitives.ts'

export class Identity {
  readonly #primitives: Primitives
  #own: PrivateKey | undefined
  #old: NodeKey | undefined
  /** A new key that no server has accepted yet. */
  #fresh: PrivateKey | undefined

  constructor(primitives: Primitives, own: PrivateKey | undefined, old: NodeKey | undefined) {
    this.#primitives = primitives
    this.#own = own
    this.#old = old
  }

  /** The accepted key. */
  get own(): PrivateKey | undefined {
    return this.#own
  }

  get ownPublic(): NodeKey | undefined {
    return this.#own && nodeKeyFor(this.#primitives, this.#own)
  }

  /** Key and old key for the next registration. */
  offer(): { readonly key: PrivateKey; readonly nodeKey: NodeKey; readonly oldNodeKey?: NodeKey } {
    const key = this.#fresh ?? this.#own ?? (this.#fresh = generateKey(this.#primitives.random))
    const old = this.#fresh === undefined ? this.#old : (this.ownPublic ?? this.#old)
    return { key, nodeKey: nodeKeyFor(this.#primitives, key), ...(old === undefined ? {} : { oldNodeKey: old }) }
  }

  /** The next registration offers a key that was never used. */
  renew(): void {
    this.#fresh = generateKey(this.#primitives.random)
  }

  /** No other key is offered than the accepted one. */
  keepOwn(): void {
    this.#fresh = undefined
  }

  /** What was offered has been accepted. */
  accept(): { readonly nodeKey: PrivateKey; readonly oldNodeKey?: NodeKey } {
    const { key, oldNodeKey } = this.offer()
    this.#own = key
    this.#old = oldNodeKey
    this.#fresh = undefined
    return { nodeKey: key, ...(oldNodeKey === undefined ? {} : { oldNodeKey }) }
  }

  forget(): void {
    this.#own = undefined
    this.#old = undefined
    this.#fresh = undefined
  }
}
