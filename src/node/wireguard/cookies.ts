/**
 * The two MACs at the end of handshake messages, and the cookies behind the second (WireGuard paper §5.3, §5.4.4,
 * §5.4.7).
 *
 * mac1 shows that the sender knows whom it talks to; without it nothing is answered. mac2 shows that the sender gets
 * what is sent to its address; a responder asks for it, by a cookie reply, only while it is under load.
 */

import { sameSecret } from '../../base/bytes.ts'
import type { Bytes } from '../../base/bytes.ts'
import { later, NEVER } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'
import type { Primitives } from '../../crypto/primitives.ts'
import { XCHACHA_NONCE_LENGTH, xchachaOpen, xchachaSeal } from '../../crypto/xchacha.ts'
import { decodeCookieReply, encodeCookieReply, MAC_LENGTH, mac1At, mac2At } from './messages.ts'
import { labelled } from './transcript.ts'

/** How long a cookie, and the secret it is made from, is good for. */
export const COOKIE_VALID_MS = 120_000
const SECRET_LENGTH = 32

/** The sender's side, one for each peer that it talks to. */
export class MacWriter {
  readonly #p: Primitives
  readonly #mac1Key: Bytes
  readonly #cookieKey: Bytes
  #cookie: Bytes | undefined
  #cookieUntil: Mono = NEVER
  /** mac1 of the last message: a cookie reply is bound to it. */
  #lastMac1: Bytes | undefined

  constructor(p: Primitives, theirPublicKey: Bytes) {
    this.#p = p
    this.#mac1Key = labelled(p, 'mac1----', theirPublicKey)
    this.#cookieKey = labelled(p, 'cookie--', theirPublicKey)
  }

  /** Writes both MACs into a handshake message; the second stays zero while there is no cookie. */
  write(message: Uint8Array, now: Mono): void {
    const at1 = mac1At(message)
    const at2 = mac2At(message)
    const mac1 = this.#p.blake2sMac(this.#mac1Key, message.subarray(0, at1))
    message.set(mac1, at1)
    this.#lastMac1 = mac1
    if (this.#cookie !== undefined && now < this.#cookieUntil)
      message.set(this.#p.blake2sMac(this.#cookie, message.subarray(0, at2)), at2)
  }

  /** Takes the cookie out of a reply to the last message; `false` when it is none. */
  take(reply: Bytes, now: Mono): boolean {
    const m = decodeCookieReply(reply)
    if (m === undefined || this.#lastMac1 === undefined) return false
    const cookie = xchachaOpen(this.#cookieKey, m.nonce, this.#lastMac1, m.sealedCookie)
    if (cookie === undefined) return false
    this.#cookie = cookie
    this.#cookieUntil = later(now, COOKIE_VALID_MS)
    return true
  }
}

/** The receiver's side, one for the device. */
export class MacChecker {
  readonly #p: Primitives
  readonly #mac1Key: Bytes
  readonly #cookieKey: Bytes
  #secret: Bytes | undefined
  #secretUntil: Mono = NEVER

  constructor(p: Primitives, ownPublicKey: Bytes) {
    this.#p = p
    this.#mac1Key = labelled(p, 'mac1----', ownPublicKey)
    this.#cookieKey = labelled(p, 'cookie--', ownPublicKey)
  }

  isMac1Right(message: Bytes): boolean {
    const at = mac1At(message)
    const mac1 = this.#p.blake2sMac(this.#mac1Key, message.subarray(0, at))
    return sameSecret(mac1, message.subarray(at, at + MAC_LENGTH))
  }

  /**
   * Was the message made with a cookie that we gave to whoever is at `source`?
   *
   * @param source the address and port it came from, in any fixed writing
   */
  isMac2Right(message: Bytes, source: Bytes, now: Mono): boolean {
    if (this.#secret === undefined || now >= this.#secretUntil) return false
    const at = mac2At(message)
    const mac2 = this.#p.blake2sMac(this.#p.blake2sMac(this.#secret, source), message.subarray(0, at))
    return sameSecret(mac2, message.subarray(at))
  }

  /**
   * The cookie reply to a message whose mac1 is right.
   *
   * @param receiver the message's sender index
   */
  reply(message: Bytes, receiver: number, source: Bytes, now: Mono): Uint8Array<ArrayBuffer> {
    if (this.#secret === undefined || now >= this.#secretUntil) {
      this.#secret = this.#p.random(SECRET_LENGTH)
      this.#secretUntil = later(now, COOKIE_VALID_MS)
    }
    const nonce = this.#p.random(XCHACHA_NONCE_LENGTH)
    const mac1 = message.subarray(mac1At(message), mac2At(message))
    const cookie = this.#p.blake2sMac(this.#secret, source)
    return encodeCookieReply({ receiver, nonce, sealedCookie: xchachaSeal(this.#cookieKey, nonce, mac1, cookie) })
  }
}
