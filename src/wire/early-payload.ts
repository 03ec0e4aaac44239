/**
 * What the server says first inside Noise, before HTTP/2 begins (control.md §3.5):
 *
 *   0                5             9
 *   | ff ff ff 54 53 | length u32  | JSON        big-endian
 *
 * The magic is no start of an HTTP/2 frame, so a client tells from nine bytes whether a payload is there at all.
 */

import { concat, utf8 } from '../base/bytes.ts'
import type { Bytes } from '../base/bytes.ts'
import { MeshError } from '../base/errors.ts'
import { readObject, textAs } from '../base/go-json.ts'
import { readChallengeKey } from '../base/keys.ts'
import type { ChallengeKey } from '../base/keys.ts'

const MAGIC = new Uint8Array([0xff, 0xff, 0xff, 0x54, 0x53])
const HEADER = 9
/** What official clients read at most. */
const CLIENT_LIMIT = 10 << 20

/** @param challenge fresh for each connection; the node-key proof is sealed to it */
export function encodeEarlyPayload(challenge: ChallengeKey): Uint8Array<ArrayBuffer> {
  const json = utf8(JSON.stringify({ nodeKeyChallenge: challenge }))
  const header = new Uint8Array(HEADER)
  header.set(MAGIC)
  new DataView(header.buffer).setUint32(MAGIC.length, json.length)
  return concat([header, json])
}

export type DecodedEarlyPayload =
  /** `rest` is where HTTP/2 begins. */
  | { readonly kind: 'payload'; readonly challenge?: ChallengeKey; readonly rest: Bytes }
  /** There is none: what was received is HTTP/2 already. */
  | { readonly kind: 'none' }
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'malformed' }

/**
 * Reads the payload from the start of what the server has sent so far.
 *
 * @param limit longest JSON to wait for, in bytes
 */
export function decodeEarlyPayload(received: Bytes, limit = CLIENT_LIMIT): DecodedEarlyPayload {
  const seen = Math.min(received.length, MAGIC.length)
  for (let i = 0; i < seen; i++) if (received[i] !== MAGIC[i]) return { kind: 'none' }
  if (received.length < HEADER) return { kind: 'incomplete' }
  const length = new DataView(received.buffer, received.byteOffset).getUint32(MAGIC.length)
  if (length > limit) return { kind: 'malformed' }
  const end = HEADER + length
  if (received.length < end) return { kind: 'incomplete' }
  try {
    const fields = readObject(received.subarray(HEADER, end), { what: 'early payload', maxLength: limit })
    const challenge = fields.optional('nodeKeyChallenge', textAs(readChallengeKey, 'a challenge key'))
    return { kind: 'payload', ...(challenge === undefined ? {} : { challenge }), rest: received.subarray(end) }
  } catch (e) {
    if (e instanceof MeshError) return { kind: 'malformed' }
    throw e
  }
}
