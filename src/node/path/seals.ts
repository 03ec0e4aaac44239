/** Seals disco messages for peers and opens theirs. The key shared with a peer is computed once. (disco.md §3) */

import type { Bytes } from '../../base/bytes.ts'
import { rawKey } from '../../base/keys.ts'
import type { DiscoKey, PrivateKey } from '../../base/keys.ts'
import { BOX_NONCE_LENGTH, boxKey, openWith, sealWith } from '../../crypto/box.ts'
import type { BoxKey } from '../../crypto/box.ts'
import { discoKeyFor } from '../../crypto/primitives.ts'
import type { Primitives } from '../../crypto/primitives.ts'
import { encodeDisco } from '../../wire/disco.ts'
import type { DiscoMessage } from '../../wire/disco.ts'
import { encodeEnvelope } from '../../wire/disco-envelope.ts'
import type { Envelope } from '../../wire/disco-envelope.ts'

export class Seals {
  readonly #p: Primitives
  #own: PrivateKey
  #ownPublic: DiscoKey
  readonly #shared = new Map<DiscoKey, BoxKey>()

  constructor(p: Primitives, own: PrivateKey) {
    this.#p = p
    this.#own = own
    this.#ownPublic = discoKeyFor(p, own)
  }

  get ownKey(): DiscoKey {
    return this.#ownPublic
  }

  /** Speaks under another key from now on. */
  rotate(own: PrivateKey): void {
    this.#own = own
    this.#ownPublic = discoKeyFor(this.#p, own)
    this.#shared.clear()
  }

  /** A peer's key is out of use. */
  forget(peer: DiscoKey): void {
    this.#shared.delete(peer)
  }

  /** The datagram; `undefined` when nothing can be sealed to this key. */
  seal(to: DiscoKey, message: DiscoMessage): Uint8Array | undefined {
    const key = this.#keyFor(to)
    if (key === undefined) return undefined
    const sealed = sealWith(key, this.#p.random(BOX_NONCE_LENGTH), encodeDisco(message))
    return encodeEnvelope({ sender: this.#ownPublic, sealed })
  }

  /** The clear bytes of what a known peer sent; `undefined` when the box does not open. */
  open({ sender, sealed }: Envelope): Bytes | undefined {
    const key = this.#keyFor(sender)
    return key && openWith(key, sealed)
  }

  #keyFor(peer: DiscoKey): BoxKey | undefined {
    let key = this.#shared.get(peer)
    if (key === undefined) {
      key = boxKey(this.#p, this.#own, rawKey(peer))
      if (key !== undefined) this.#shared.set(peer, key)
    }
    return key
  }
}
