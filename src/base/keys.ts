/**
 * Keys as the wire writes them. Public keys are texts with a prefix, so that they compare, print and serve
 * as map keys; private keys are objects that refuse to be printed. (control.md §1)
 *
 * Making keys and computing with them needs Curve25519 and is crypto's matter.
 */

import { concat, fromHex, hex, utf8 } from './bytes.ts'
import type { Bytes } from './bytes.ts'
import { MeshError } from './errors.ts'

export type MachineKey = `mkey:${string}`
export type NodeKey = `nodekey:${string}`
export type DiscoKey = `discokey:${string}`
export type ChallengeKey = `chalpub:${string}`
/** Tailnet-lock public key (Ed25519). The command line writes `tlpub:`, the wire `nlpub:`; both are read. */
export type LockKey = `nlpub:${string}`

export type PublicKey = MachineKey | NodeKey | DiscoKey | ChallengeKey | LockKey

const ZERO = '0'.repeat(64)
const NODE_KEY_TAG = utf8('np')
export const ZERO_MACHINE_KEY: MachineKey = `mkey:${ZERO}`
export const ZERO_NODE_KEY: NodeKey = `nodekey:${ZERO}`
export const ZERO_DISCO_KEY: DiscoKey = `discokey:${ZERO}`

function parse(prefix: string, text: string): string | undefined {
  if (!text.startsWith(prefix)) return undefined
  const digits = text.slice(prefix.length)
  return /^[0-9a-fA-F]{64}$/.test(digits) ? prefix + digits.toLowerCase() : undefined
}

/** Readers of each kind: the canonical text, or `undefined` for anything else, the empty text included. */
export const readMachineKey = (text: string) => parse('mkey:', text) as MachineKey | undefined
export const readNodeKey = (text: string) => parse('nodekey:', text) as NodeKey | undefined
export const readDiscoKey = (text: string) => parse('discokey:', text) as DiscoKey | undefined
export const readChallengeKey = (text: string) => parse('chalpub:', text) as ChallengeKey | undefined
export function readLockKey(text: string): LockKey | undefined {
  const tail = parse('tlpub:', text)
  return (tail === undefined ? parse('nlpub:', text) : `nlpub:${tail.slice(6)}`) as LockKey | undefined
}

/** 64 hex digits without a prefix, as old messages write node keys and relays their mesh key. */
export function readBareKey(text: string): Uint8Array<ArrayBuffer> | undefined {
  return /^[0-9a-fA-F]{64}$/.test(text) ? fromHex(text) : undefined
}

/** The node key, or an error that does not repeat the text: it might be a private key pasted by mistake. */
export function parseNodeKey(text: string): NodeKey {
  const key = readNodeKey(text)
  if (key === undefined)
    throw new MeshError('key/malformed', 'Cannot parse node key: want "nodekey:" and 64 hex digits')
  return key
}

/** The 32 raw bytes behind a public key. */
export function rawKey(key: PublicKey): Uint8Array<ArrayBuffer> {
  return fromHex(key.slice(key.indexOf(':') + 1)) as Uint8Array<ArrayBuffer>
}

/** Tailnet-lock keys as the command line writes them. */
export function lockKeyForCli(key: LockKey): `tlpub:${string}` {
  return `tlpub:${key.slice(6)}`
}

/** How tailnet-lock entries hold a node key: "np", then its 32 bytes. */
export function nodeKeyBinary(key: NodeKey): Uint8Array<ArrayBuffer> {
  return concat([NODE_KEY_TAG, rawKey(key)])
}

export function readNodeKeyBinary(binary: Bytes): NodeKey | undefined {
  const isOne = binary.length === 34 && binary[0] === NODE_KEY_TAG[0] && binary[1] === NODE_KEY_TAG[1]
  return isOne ? nodeKeyOf(binary.subarray(2)) : undefined
}

function write(prefix: string, raw: Bytes): string {
  if (raw.length !== 32) throw new MeshError('key/malformed', `Cannot write a key: want 32 bytes, got ${raw.length}`)
  return prefix + hex(raw)
}
export const machineKeyOf = (raw: Bytes) => write('mkey:', raw) as MachineKey
export const nodeKeyOf = (raw: Bytes) => write('nodekey:', raw) as NodeKey
export const discoKeyOf = (raw: Bytes) => write('discokey:', raw) as DiscoKey
export const challengeKeyOf = (raw: Bytes) => write('chalpub:', raw) as ChallengeKey
export const lockKeyOf = (raw: Bytes) => write('nlpub:', raw) as LockKey

export function isZeroKey(key: PublicKey): boolean {
  return key.endsWith(ZERO)
}

/** Log forms: `[` + 5 characters of base64 + `]`; disco keys `d:` + 16 hex digits; nothing for a zero key. */
export function shortKey(key: PublicKey): string {
  if (isZeroKey(key)) return ''
  return key.startsWith('discokey:') ? `d:${key.slice(9, 25)}` : `[${rawKey(key).toBase64().slice(0, 5)}]`
}

/** A Curve25519 private key. It prints as `[private key]` wherever it is put, JSON included. */
export class PrivateKey {
  readonly #raw: Uint8Array

  /**
   * @param raw 32 bytes. They are kept as they are, so that a file read and written again stays the same;
   *   X25519 itself ignores the bits that clamping sets.
   */
  constructor(raw: Bytes) {
    if (raw.length !== 32) throw new MeshError('key/malformed', 'Cannot read a private key: want 32 bytes')
    this.#raw = new Uint8Array(raw)
  }

  /** A private key from 32 random bytes, with the bits set that Curve25519 wants set (control.md §1). */
  static clamped(raw: Bytes): PrivateKey {
    const key = new PrivateKey(raw)
    key.#raw[0] = (key.#raw[0] as number) & 0xf8
    key.#raw[31] = ((key.#raw[31] as number) & 0x7f) | 0x40
    return key
  }

  /** Reads `privkey:` and 64 hex digits. */
  static parse(text: string): PrivateKey {
    const raw = /^privkey:[0-9a-fA-F]{64}$/.test(text) ? fromHex(text.slice(8)) : undefined
    if (raw === undefined)
      throw new MeshError('key/malformed', 'Cannot parse private key: want "privkey:" and 64 hex digits')
    return new PrivateKey(raw)
  }

  /** The raw bytes, for arithmetic only. */
  reveal(): Uint8Array {
    return this.#raw
  }

  /** `privkey:…`, for the one file it is kept in. */
  revealText(): string {
    return `privkey:${hex(this.#raw)}`
  }

  toString(): string {
    return '[private key]'
  }

  toJSON(): string {
    return '[private key]'
  }
}
