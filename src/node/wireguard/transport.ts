/**
 * Transport messages: seals and opens one packet under a session's keys (WireGuard paper §5.4.6). The plain twin of
 * whatever moves packets faster; it owns no clock and no peer.
 *
 *   | header 16 | packet, zeros up to a multiple of 16 | tag 16 |      nonce: 4 zero bytes, counter u64
 */

import type { Bytes } from '../../base/bytes.ts'
import type { Mono } from '../../base/clock.ts'
import { TAG_LENGTH } from '../../crypto/primitives.ts'
import type { Primitives, RecordCipher } from '../../crypto/primitives.ts'
import { isExpired } from './keypairs.ts'
import type { Keypair } from './keypairs.ts'
import { decodeTransportHeader, TRANSPORT_HEADER_LENGTH, writeTransportHeader } from './messages.ts'
import { ReplayWindow } from './replay-window.ts'

const PAD_TO = 16

/**
 * After so many messages a session is renewed, and after so many none is sent. The paper's 2^60 and 2^64 - 2^13 - 1
 * are more than a double can count; that we ask earlier, a peer can't tell, and no link sends so many in three minutes.
 */
export const REKEY_AFTER_MESSAGES = 2 ** 52
export const REJECT_AFTER_MESSAGES = Number.MAX_SAFE_INTEGER

/**
 * How many zeros follow a packet: up to a multiple of 16, but not beyond what the tunnel carries.
 *
 * @param mtu 0 for no bound. A packet longer than `mtu` (several in one) is padded as its last piece would be.
 */
export function paddingOf(length: number, mtu: number): number {
  const last = mtu > 0 && length > mtu ? length % mtu : length
  const padded = Math.ceil(last / PAD_TO) * PAD_TO
  return (mtu > 0 ? Math.min(padded, mtu) : padded) - last
}

export class Sealer {
  readonly #cipher: RecordCipher
  readonly #remoteIndex: number
  readonly #nonce = new Uint8Array(12)
  readonly #nonceView = new DataView(this.#nonce.buffer)
  #counter: number

  /** @param counter of the first message, for tests */
  constructor(p: Primitives, keypair: Keypair, counter = 0) {
    this.#cipher = p.recordCipher(keypair.sendKey)
    this.#remoteIndex = keypair.remoteIndex
    this.#counter = counter
  }

  /** Messages so far. */
  get sent(): number {
    return this.#counter
  }

  /** The message for one packet, `undefined` when the session has sent all that it may. No packet is a keepalive. */
  seal(packet: Bytes, mtu: number): Uint8Array<ArrayBuffer> | undefined {
    const counter = this.#counter
    if (counter >= REJECT_AFTER_MESSAGES) return undefined
    this.#counter = counter + 1

    const length = packet.length + paddingOf(packet.length, mtu)
    const message = new Uint8Array(TRANSPORT_HEADER_LENGTH + length + TAG_LENGTH)
    writeTransportHeader(message, this.#remoteIndex, counter)
    message.set(packet, TRANSPORT_HEADER_LENGTH)
    this.#nonceView.setUint32(4, counter >>> 0, true)
    this.#nonceView.setUint32(8, Math.floor(counter / 0x1_0000_0000), true)
    const clear = message.subarray(TRANSPORT_HEADER_LENGTH, TRANSPORT_HEADER_LENGTH + length)
    this.#cipher.sealInto(this.#nonce, clear, message, TRANSPORT_HEADER_LENGTH)
    return message
  }
}

/** Why a transport message is not believed. */
export type NotOpened = 'malformed' | 'expired' | 'replayed' | 'forged'

export class Opener {
  readonly keypair: Keypair
  readonly #cipher: RecordCipher
  readonly #window: ReplayWindow
  readonly #nonce = new Uint8Array(12)
  readonly #nonceView = new DataView(this.#nonce.buffer)

  constructor(p: Primitives, keypair: Keypair, window: ReplayWindow = new ReplayWindow()) {
    this.keypair = keypair
    this.#cipher = p.recordCipher(keypair.receiveKey)
    this.#window = window
  }

  /** What was sealed, padding included, or why it is not believed. */
  open(message: Bytes, now: Mono): Uint8Array | NotOpened {
    const header = decodeTransportHeader(message)
    if (header === undefined || header.receiver !== this.keypair.localIndex) return 'malformed'
    if (isExpired(this.keypair, now)) return 'expired'
    const { counterHigh, counterLow } = header
    if (!this.#window.isFresh(counterHigh, counterLow)) return 'replayed'
    this.#nonceView.setUint32(4, counterLow, true)
    this.#nonceView.setUint32(8, counterHigh, true)
    const clear = this.#cipher.open(this.#nonce, message.subarray(TRANSPORT_HEADER_LENGTH))
    if (clear === undefined) return 'forged'
    this.#window.accept(counterHigh, counterLow)
    return clear
  }
}

/** The IP packet without the zeros behind it; `undefined` for what is no IP packet, or not all of one. */
export function unpad(clear: Bytes): Uint8Array | undefined {
  const length = ipLength(clear)
  return length === undefined || length > clear.length ? undefined : clear.subarray(0, length)
}

const IPV4_HEADER = 20
const IPV6_HEADER = 40

/** What the packet's own header says of its length. */
function ipLength(b: Bytes): number | undefined {
  const version = b.length === 0 ? 0 : (b[0] as number) >> 4
  if (version === 4 && b.length >= IPV4_HEADER) {
    const length = ((b[2] as number) << 8) | (b[3] as number)
    return length >= IPV4_HEADER ? length : undefined
  }
  if (version === 6 && b.length >= IPV6_HEADER) return IPV6_HEADER + (((b[4] as number) << 8) | (b[5] as number))
  return undefined
}
