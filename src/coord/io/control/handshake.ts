/**
 * The server's side of joining a client's connection to Noise: what the upgrade request must hold, what is
 * answered, and the early payload behind it (control.md §3.1, §3.4, §3.5).
 */

import { concat, fromBase64, utf8 } from '../../../base/bytes.ts'
import { challengeKeyOf } from '../../../base/keys.ts'
import type { MachineKey, PrivateKey } from '../../../base/keys.ts'
import { acceptInitiation } from '../../../crypto/noise.ts'
import type { AcceptedSession } from '../../../crypto/noise.ts'
import type { Primitives } from '../../../crypto/primitives.ts'
import { decodeInitiation, encodeError, encodeResponse } from '../../../wire/noise-frame.ts'

export const PROTOCOL = 'tailscale-control-protocol'

/** Capability version of Tailscale 1.80, the oldest client that is served. */
export const MIN_VERSION = 113

const HEAD = utf8(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: ${PROTOCOL}\r\nConnection: upgrade\r\n\r\n`)
const EARLY_MAGIC = new Uint8Array([0xff, 0xff, 0xff, 0x54, 0x53])

export interface UpgradeHead {
  readonly method: string | undefined
  readonly upgrade: string | undefined
  readonly connection: string | undefined
  readonly handshake: string | undefined
}

/**
 * Why a request can't be upgraded, as said with status 400; `undefined` when it can.
 * The texts are the reference server's where it has one.
 */
export function upgradeFault(head: UpgradeHead): string | undefined {
  if (head.method !== 'POST') return `want POST with "Upgrade: ${PROTOCOL}"`
  if (head.upgrade === undefined || head.upgrade === '') return 'missing next protocol'
  if (head.upgrade.toLowerCase() !== PROTOCOL) return 'unknown next protocol'
  if (!/(?:^|,)\s*upgrade\s*(?:,|$)/i.test(head.connection ?? '')) {
    return 'missing "Connection: upgrade": a proxy in between has to pass it on'
  }
  return readHandshake(head.handshake) === undefined ? 'missing or undecodable X-Tailscale-Handshake' : undefined
}

/** The initiation in its header or query parameter. */
export function readHandshake(text: string | undefined): Uint8Array | undefined {
  // An initiation has 101 bytes; what is far longer is not worth decoding.
  if (text === undefined || text === '' || text.length > 1024) return undefined
  return fromBase64(text)
}

export type Answer =
  | {
      readonly kind: 'accepted'
      /** What to send first. */
      readonly first: Uint8Array
      readonly machine: MachineKey
      readonly version: number
      readonly session: AcceptedSession
    }
  /** An error frame to send before closing, and the reason for the log. */
  | { readonly kind: 'refused'; readonly frame: Uint8Array; readonly why: string }

/** Answers an initiation. */
export function answerInitiation(p: Primitives, own: PrivateKey, frame: Uint8Array): Answer {
  const refused = (why: string): Answer => ({ kind: 'refused', frame: encodeError(why), why })
  const initiation = decodeInitiation(frame)
  if (initiation.kind === 'refused') return refused(initiation.why)
  const { version } = initiation
  if (version < MIN_VERSION) {
    return refused(
      `this client is too old for this server: it speaks capability version ${version}, and ${MIN_VERSION} is needed; please update to Tailscale 1.80 or newer`,
    )
  }
  const session = acceptInitiation(p, own, version, initiation.message)
  if (session === undefined) return refused('handshake failed: it was not made for this server key and version')
  return { kind: 'accepted', first: encodeResponse(session.response), machine: session.machine, version, session }
}

/** The head of the 101 answer and what goes out with it. */
export function withHead(first: Uint8Array): Uint8Array {
  return concat([HEAD, first])
}

/**
 * What the server says inside Noise before HTTP/2 begins: a challenge key, fresh for each connection. All clients
 * read it, and no endpoint of ours asks for the proof that some could make with it, so nobody needs its private
 * half: any 32 bytes are a public key.
 */
export function earlyPayload(p: Primitives): Uint8Array {
  const json = utf8(JSON.stringify({ nodeKeyChallenge: challengeKeyOf(p.random(32)) }))
  const length = new Uint8Array(4)
  new DataView(length.buffer).setUint32(0, json.length)
  return concat([EARLY_MAGIC, length, json])
}
