/**
 * The handshake of the control connection: Noise_IK_25519_ChaChaPoly_BLAKE2s, both sides (control.md §3.4,
 * arithmetic in its appendix A).
 *
 *   -> e, es, s, ss     96 bytes: ephemeral key 32, sealed machine key 48, tag of an empty payload 16
 *   <- e, ee, se        48 bytes: ephemeral key 32, tag of an empty payload 16
 *
 * These are the messages alone; the headers around them are wire/noise-frame.ts. Anyone can complete a handshake
 * with a machine key made up on the spot: what it proves is only that both ends hold the keys they name.
 */

import { concat, EMPTY, utf8 } from '../base/bytes.ts'
import type { Bytes } from '../base/bytes.ts'
import { machineKeyOf, rawKey } from '../base/keys.ts'
import type { MachineKey, PrivateKey } from '../base/keys.ts'
import { NoiseReceiver, NoiseSender } from './noise-transport.ts'
import { generateKey, TAG_LENGTH } from './primitives.ts'
import type { Primitives } from './primitives.ts'

export const INITIATION_MESSAGE_LENGTH = 96
export const RESPONSE_MESSAGE_LENGTH = 48

const PROTOCOL = utf8('Noise_IK_25519_ChaChaPoly_BLAKE2s')
const KEY_LENGTH = 32
const SEALED_KEY_LENGTH = KEY_LENGTH + TAG_LENGTH
/** Every handshake key seals one message, so its nonce is always zero. */
const ZERO_NONCE = new Uint8Array(12)
const ONE = new Uint8Array([1])
const TWO = new Uint8Array([2])

/** What both sides hold once the handshake is done. */
export interface NoiseSession {
  readonly sender: NoiseSender
  readonly receiver: NoiseReceiver
  /** The same 32 bytes on both sides, and on no other connection. */
  readonly handshakeHash: Uint8Array
}

export interface AcceptedSession extends NoiseSession {
  /** Who the other end is. */
  readonly machine: MachineKey
  /** What to send back: `RESPONSE_MESSAGE_LENGTH` bytes. */
  readonly response: Uint8Array
}

export interface Initiation {
  /** What to send: `INITIATION_MESSAGE_LENGTH` bytes. */
  readonly message: Uint8Array
  /** Takes the server's answer, once; `undefined` when it did not come from the server that was meant. */
  finish(response: Bytes): NoiseSession | undefined
}

/**
 * The server's side of a handshake.
 *
 * @param version capability version from the header; it must be the one the client mixed into its transcript
 * @param message the `INITIATION_MESSAGE_LENGTH` bytes behind the header
 * @param ephemeral for tests; otherwise made from dice
 * @returns `undefined` when the message was not made for this server key and version
 */
export function acceptInitiation(
  p: Primitives,
  own: PrivateKey,
  version: number,
  message: Bytes,
  ephemeral: PrivateKey = generateKey(p.random),
): AcceptedSession | undefined {
  if (message.length !== INITIATION_MESSAGE_LENGTH) return undefined
  const t = new Transcript(p, version, p.x25519Public(own))

  const theirEphemeral = message.subarray(0, KEY_LENGTH)
  t.mixHash(theirEphemeral)
  const toKey = t.mixShared(own, theirEphemeral)
  const theirs = toKey && t.open(toKey, message.subarray(KEY_LENGTH, KEY_LENGTH + SEALED_KEY_LENGTH))
  const toTag = theirs && t.mixShared(own, theirs)
  if (!toTag || t.open(toTag, message.subarray(KEY_LENGTH + SEALED_KEY_LENGTH)) === undefined) return undefined

  const ourEphemeral = p.x25519Public(ephemeral)
  t.mixHash(ourEphemeral)
  t.mixShared(ephemeral, theirEphemeral)
  const toResponse = t.mixShared(ephemeral, theirs)
  if (toResponse === undefined) return undefined
  const response = concat([ourEphemeral, t.seal(toResponse, EMPTY)])

  const [fromClient, toClient] = t.split()
  return {
    sender: new NoiseSender(p.recordCipher(toClient)),
    receiver: new NoiseReceiver(p.recordCipher(fromClient)),
    handshakeHash: t.hash,
    machine: machineKeyOf(theirs),
    response,
  }
}

/**
 * The client's side of a handshake.
 *
 * @param server the server's key, from `/key`
 * @param version our capability version, the one that goes into the header
 * @param ephemeral for tests; otherwise made from dice
 * @returns `undefined` when `server` is no usable key
 */
export function initiate(
  p: Primitives,
  own: PrivateKey,
  server: MachineKey,
  version: number,
  ephemeral: PrivateKey = generateKey(p.random),
): Initiation | undefined {
  const serverKey = rawKey(server)
  const t = new Transcript(p, version, serverKey)

  const ourEphemeral = p.x25519Public(ephemeral)
  t.mixHash(ourEphemeral)
  const toKey = t.mixShared(ephemeral, serverKey)
  if (toKey === undefined) return undefined
  const sealedKey = t.seal(toKey, p.x25519Public(own))
  const toTag = t.mixShared(own, serverKey)
  if (toTag === undefined) return undefined
  const message = concat([ourEphemeral, sealedKey, t.seal(toTag, EMPTY)])

  return { message, finish: (response) => finish(p, t, own, ephemeral, response) }
}

function finish(
  p: Primitives,
  t: Transcript,
  own: PrivateKey,
  ephemeral: PrivateKey,
  response: Bytes,
): NoiseSession | undefined {
  if (response.length !== RESPONSE_MESSAGE_LENGTH) return undefined
  const theirEphemeral = response.subarray(0, KEY_LENGTH)
  t.mixHash(theirEphemeral)
  if (t.mixShared(ephemeral, theirEphemeral) === undefined) return undefined
  const toResponse = t.mixShared(own, theirEphemeral)
  if (toResponse === undefined || t.open(toResponse, response.subarray(KEY_LENGTH)) === undefined) return undefined

  const [toServer, fromServer] = t.split()
  return {
    sender: new NoiseSender(p.recordCipher(toServer)),
    receiver: new NoiseReceiver(p.recordCipher(fromServer)),
    handshakeHash: t.hash,
  }
}

/** Both sides' running record of the handshake: Noise's symmetric state. */
class Transcript {
  readonly #p: Primitives
  #hash: Uint8Array
  #chain: Uint8Array

  constructor(p: Primitives, version: number, serverKey: Bytes) {
    this.#p = p
    this.#hash = p.blake2s(PROTOCOL)
    this.#chain = this.#hash
    this.mixHash(utf8(`Tailscale Control Protocol v${version}`))
    this.mixHash(serverKey)
  }

  get hash(): Uint8Array {
    return this.#hash
  }

  mixHash(data: Bytes): void {
    this.#hash = this.#p.blake2s(this.#hash, data)
  }

  /** Mixes in what two keys share; gives the key for the next seal, `undefined` when they can share nothing. */
  mixShared(own: PrivateKey, theirs: Bytes): Uint8Array | undefined {
    const shared = this.#p.x25519(own, theirs)
    if (shared === undefined) return undefined
    const [chain, key] = this.#derive(shared)
    this.#chain = chain
    return key
  }

  seal(key: Bytes, clear: Bytes): Uint8Array {
    const sealed = this.#p.chachaSeal(key, ZERO_NONCE, this.#hash, clear)
    this.mixHash(sealed)
    return sealed
  }

  open(key: Bytes, sealed: Bytes): Uint8Array | undefined {
    const clear = this.#p.chachaOpen(key, ZERO_NONCE, this.#hash, sealed)
    if (clear !== undefined) this.mixHash(sealed)
    return clear
  }

  /** The two keys for what comes after: client to server, server to client. */
  split(): [Uint8Array, Uint8Array] {
    return this.#derive(EMPTY)
  }

  /** HKDF with two outputs, salted with the chaining key. */
  #derive(input: Bytes): [Uint8Array, Uint8Array] {
    const secret = this.#p.hmacBlake2s(this.#chain, input)
    const first = this.#p.hmacBlake2s(secret, ONE)
    return [first, this.#p.hmacBlake2s(secret, first, TWO)]
  }
}
