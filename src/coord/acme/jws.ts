/**
 * Signed requests as ACME wants them (RFC 8555, 6.2): flattened JWS with ES256, by the account's key or by its address.
 * The signature itself is handed in.
 */

import type { Bytes } from '../../base/bytes.ts'
import { utf8 } from '../../base/bytes.ts'

/** The public half of a P-256 key, its members in the order that the thumbprint wants (RFC 7638). */
export interface Jwk {
  readonly crv: 'P-256'
  readonly kty: 'EC'
  readonly x: string
  readonly y: string
}

/** The account's key and what else is computed: none of it waits for anything. */
export interface Signer {
  readonly jwk: Jwk
  /** ES256: 64 bytes, r and s (RFC 7518, 3.4). */
  sign(bytes: Bytes): Uint8Array
  sha256(bytes: Bytes): Uint8Array
  hmacSha256(key: Bytes, bytes: Bytes): Uint8Array
}

/** By which an authority that wants to know its customers knows an account (RFC 8555, 7.3.4). */
export interface ExternalAccount {
  readonly kid: string
  readonly hmacKey: Bytes
}

export function base64url(bytes: Bytes): string {
  return bytes.toBase64({ alphabet: 'base64url', omitPadding: true })
}

/** @throws SyntaxError for anything else */
export function fromBase64url(text: string): Uint8Array {
  return Uint8Array.fromBase64(text, { alphabet: 'base64url' })
}

/** What a proof of a name rests on: the token, and whose it is (RFC 8555, 8.1). */
export function keyAuthorization(token: string, signer: Signer): string {
  return `${token}.${base64url(signer.sha256(utf8(JSON.stringify(ordered(signer.jwk)))))}`
}

/**
 * The body of a request.
 *
 * @param kid The account's address; absent: there is none yet, and the key itself is sent
 * @param payload What is said; `undefined` for a request that only reads (POST-as-GET)
 */
export function signedBody(
  signer: Signer,
  { url, nonce, kid }: { readonly url: string; readonly nonce: string; readonly kid: string | undefined },
  payload: object | undefined,
): string {
  const who = kid === undefined ? { jwk: ordered(signer.jwk) } : { kid }
  return flattened({ alg: 'ES256', nonce, url, ...who }, payload, (bytes) => signer.sign(bytes))
}

/** Says to an authority whose account this key is, under the secret that both know. */
export function boundKey(signer: Signer, { kid, hmacKey }: ExternalAccount, url: string): object {
  const mac = (bytes: Bytes) => signer.hmacSha256(hmacKey, bytes)
  return JSON.parse(flattened({ alg: 'HS256', kid, url }, ordered(signer.jwk), mac)) as object
}

function flattened(header: object, payload: object | undefined, sign: (bytes: Bytes) => Uint8Array): string {
  const head = base64url(utf8(JSON.stringify(header)))
  const body = payload === undefined ? '' : base64url(utf8(JSON.stringify(payload)))
  return JSON.stringify({ protected: head, payload: body, signature: base64url(sign(utf8(`${head}.${body}`))) })
}

function ordered({ x, y }: Jwk): Jwk {
  return { crv: 'P-256', kty: 'EC', x, y }
}
