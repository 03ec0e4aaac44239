/**
 * WireGuard's handshake, both roles: Noise IKpsk2 (WireGuard paper §5.4.2, §5.4.3). Bytes and keys only: when to shake
 * hands is timers.ts, whom to believe device.ts, and the MACs that every message ends in are cookies.ts.
 *
 *   -> e, es, s, ss, timestamp        the responder reads it in two steps, and asks between them whether it
 *   <- e, ee, se, psk                 knows the initiator: the second step costs another exchange of keys
 *
 * Functions that read give `undefined` for what was not made for these keys, and change nothing by that.
 */

import { EMPTY } from '../../base/bytes.ts'
import type { Bytes } from '../../base/bytes.ts'
import type { PrivateKey } from '../../base/keys.ts'
import { generateKey } from '../../crypto/primitives.ts'
import type { Primitives } from '../../crypto/primitives.ts'
import { encodeInitiation, encodeResponse } from './messages.ts'
import type { Initiation, Response } from './messages.ts'
import { initialTranscript, mixChain, mixHash, mixKey, mixPreshared, open, seal, split } from './transcript.ts'
import type { Transcript } from './transcript.ts'

/** What goes in where no key was agreed beforehand, as between all nodes of a tailnet (disco.md §7). */
export const NO_PRESHARED_KEY = new Uint8Array(32)

/** Our own static key, both halves. */
export interface Identity {
  readonly privateKey: PrivateKey
  readonly publicKey: Bytes
}

/** What the initiator keeps until the answer comes. */
export interface SentInitiation {
  /** 148 bytes, the MACs still zero. */
  readonly message: Uint8Array<ArrayBuffer>
  readonly transcript: Transcript
  readonly ephemeral: PrivateKey
}

/** An initiation whose sender is named, though not yet proved. */
export interface NamedInitiation {
  /** The initiator's public key, 32 bytes. */
  readonly initiator: Uint8Array
  readonly initiation: Initiation
  readonly transcript: Transcript
}

/** An initiation that the named peer did make, now or at an earlier time. */
export interface ProvedInitiation extends NamedInitiation {
  /** TAI64N, 12 bytes. */
  readonly timestamp: Uint8Array
}

export interface SessionKeys {
  readonly sendKey: Bytes
  readonly receiveKey: Bytes
  /** At the end of the handshake: the same on both sides. */
  readonly transcript: Transcript
}

/** What two static keys share; the same for all handshakes between them. `undefined` for a point of low order. */
export function staticShared(p: Primitives, own: Identity, theirs: Bytes): Uint8Array | undefined {
  return p.x25519(own.privateKey, theirs)
}

/**
 * The initiator's message.
 *
 * @param responder the peer's public key, and what it shares with ours
 * @param sender our index for the session to be
 * @param timestamp TAI64N, later than all before it to this peer
 * @param ephemeral for tests; otherwise made from dice
 */
export function writeInitiation(
  p: Primitives,
  own: Identity,
  responder: { readonly publicKey: Bytes; readonly shared: Bytes },
  sender: number,
  timestamp: Bytes,
  ephemeral: PrivateKey = generateKey(p.random),
): SentInitiation | undefined {
  const ours = p.x25519Public(ephemeral)
  const start = mixHash(p, initialTranscript(p), responder.publicKey)
  const es = p.x25519(ephemeral, responder.publicKey)
  if (es === undefined) return undefined
  const [withEs, keyForName] = mixKey(p, mixHash(p, mixChain(p, start, ours), ours), es)
  const [named, sealedKey] = seal(p, withEs, keyForName, own.publicKey)
  const [withSs, keyForTime] = mixKey(p, named, responder.shared)
  const [transcript, sealedTimestamp] = seal(p, withSs, keyForTime, timestamp)
  const message = encodeInitiation({ sender, ephemeral: ours, sealedKey, sealedTimestamp })
  return { message, transcript, ephemeral }
}

/** The responder's first step: who says that they are there. Costs one exchange of keys. */
export function readInitiator(p: Primitives, own: Identity, initiation: Initiation): NamedInitiation | undefined {
  const es = p.x25519(own.privateKey, initiation.ephemeral)
  if (es === undefined) return undefined
  const start = mixHash(p, initialTranscript(p), own.publicKey)
  const withE = mixHash(p, mixChain(p, start, initiation.ephemeral), initiation.ephemeral)
  const [withEs, key] = mixKey(p, withE, es)
  const opened = open(p, withEs, key, initiation.sealedKey)
  return opened && { initiator: opened[1], initiation, transcript: opened[0] }
}

/** The responder's second step: it is them. `shared` is what their static key shares with ours. */
export function readTimestamp(p: Primitives, named: NamedInitiation, shared: Bytes): ProvedInitiation | undefined {
  const [withSs, key] = mixKey(p, named.transcript, shared)
  const opened = open(p, withSs, key, named.initiation.sealedTimestamp)
  return opened && { ...named, transcript: opened[0], timestamp: opened[1] }
}

/**
 * The responder's message (92 bytes, the MACs still zero), and the keys of the session.
 *
 * @param sender our index for the session
 * @param ephemeral for tests; otherwise made from dice
 */
export function writeResponse(
  p: Primitives,
  proved: ProvedInitiation,
  sender: number,
  psk: Bytes = NO_PRESHARED_KEY,
  ephemeral: PrivateKey = generateKey(p.random),
): { readonly message: Uint8Array<ArrayBuffer>; readonly keys: SessionKeys } | undefined {
  const ours = p.x25519Public(ephemeral)
  const ee = p.x25519(ephemeral, proved.initiation.ephemeral)
  const se = p.x25519(ephemeral, proved.initiator)
  if (ee === undefined || se === undefined) return undefined
  const withE = mixHash(p, mixChain(p, proved.transcript, ours), ours)
  const [withPsk, key] = mixPreshared(p, mixChain(p, mixChain(p, withE, ee), se), psk)
  const [transcript, sealedNothing] = seal(p, withPsk, key, EMPTY)
  const message = encodeResponse({ sender, receiver: proved.initiation.sender, ephemeral: ours, sealedNothing })
  const [receiveKey, sendKey] = split(p, transcript)
  return { message, keys: { sendKey, receiveKey, transcript } }
}

/** The initiator's end: the keys of the session. */
export function readResponse(
  p: Primitives,
  own: Identity,
  sent: SentInitiation,
  response: Response,
  psk: Bytes = NO_PRESHARED_KEY,
): SessionKeys | undefined {
  const ee = p.x25519(sent.ephemeral, response.ephemeral)
  const se = ee && p.x25519(own.privateKey, response.ephemeral)
  if (ee === undefined || se === undefined) return undefined
  const withE = mixHash(p, mixChain(p, sent.transcript, response.ephemeral), response.ephemeral)
  const [withPsk, key] = mixPreshared(p, mixChain(p, mixChain(p, withE, ee), se), psk)
  const opened = open(p, withPsk, key, response.sealedNothing)
  if (opened === undefined) return undefined
  const [sendKey, receiveKey] = split(p, opened[0])
  return { sendKey, receiveKey, transcript: opened[0] }
}
