/**
 * Texts that prove something by being known: cookies, states, links. The server keeps their SHA-256 only.
 */

import { hex, utf8 } from '../../base/bytes.ts'
import type { Dice } from '../../base/bytes.ts'
import { Secret } from '../../base/secret.ts'
import type { Sha256 } from './credentials.ts'

/** 256 bits. */
const BYTES = 32
/** What such a text looks like; nothing else is looked up. */
const SHAPE = /^[A-Za-z0-9_-]{43}$/

export interface Token {
  readonly text: Secret
  /** Id of the record that knows it. */
  readonly id: string
}

export function newToken(dice: Dice, sha256: Sha256): Token {
  const text = dice(BYTES).toBase64({ alphabet: 'base64url', omitPadding: true })
  return { text: new Secret(text, 'token'), id: tokenId(sha256, text) }
}

export function isToken(text: string): boolean {
  return SHAPE.test(text)
}

/** Under which id the record stands that knows this text. */
export function tokenId(sha256: Sha256, text: string): string {
  return hex(sha256(utf8(text)))
}

/** What a page of one session sends back with each form, so that no other page can: it follows from its cookie. */
export function csrfToken(sha256: Sha256, cookie: Secret): string {
  return hex(sha256(utf8(`csrf ${cookie.reveal()}`)))
}
