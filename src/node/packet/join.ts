/**
 * Puts packets of one flow together that came one after another, so that the kernel takes many in one write: TCP
 * segments that follow on each other, and UDP datagrams of one size. It is what `cut` takes apart.
 *
 * Packets of a flow leave in the order in which they came; flows may overtake each other. What can't be put together
 * leaves as it is, after what its flow has waiting. Several flows are put together side by side, so that they do not
 * break each other's runs; the longest waiting one makes place for a new one.
 *
 * A checksum is looked at before its packet is put together with others, since the kernel believes what it is told
 * of the sum; a packet with a wrong one is passed on alone, wrong as it is.
 */

import { addPseudoHeader, fold, isRight, TCP, UDP, writeHeaderChecksum } from './checksum.ts'
import type { Memory } from './memory.ts'
import { aligned } from './memory.ts'
import { GSO_TCPV4, GSO_TCPV6, GSO_UDP, VNET_HEADER, writeGsoHeader, writePlainHeader } from './vnet-header.ts'

/** Takes a virtio header and the packet behind it. What stands there may be overwritten afterwards. */
export type WriteOut = (at: number, length: number) => void

/** What the kernel takes at most in one piece, with its headers. */
const MOST = 65_535
const MOST_PIECES = 64
const ACK = 0x10
const PSH = 0x08

/** One flow being put together. */
interface Run {
  /** Where its packet begins; the virtio header stands before it. */
  readonly at: number
  length: number
  pieces: number
  /** Bytes of headers, and of data in the first piece. */
  headers: number
  start: number
  piece: number
  isV6: boolean
  protocol: number
  /** The sequence number that follows on. */
  next: number
  /** Nothing can follow: the last piece was shorter, or said "push". */
  closed: boolean
}

/** Each run has so much memory. */
export const RUN_BYTES = aligned(VNET_HEADER + MOST + 2)

export class Joiner {
  readonly #memory: Memory
  readonly #free: Run[] = []
  /** In the order in which they began. */
  readonly #open: Run[] = []
  readonly #write: WriteOut
  readonly #joinsUdp: boolean

  /**
   * @param at where its own memory begins: a multiple of four, `flows` times `RUN_BYTES`
   * @param joinsUdp does the device take UDP in one piece? (Linux 6.2 on)
   */
  constructor(memory: Memory, at: number, flows: number, joinsUdp: boolean, write: WriteOut) {
    this.#memory = memory
    this.#write = write
    this.#joinsUdp = joinsUdp
    for (let i = 0; i < flows; i++) {
      this.#free.push({
        // The packet begins at a multiple of four, its header before it.
        at: at + i * RUN_BYTES + 12,
        length: 0,
        pieces: 0,
        headers: 0,
        start: 0,
        piece: 0,
        isV6: false,
        protocol: 0,
        next: 0,
        closed: false,
      })
    }
  }

  /**
   * Takes a packet that is whole and good IP.
   *
   * @param at where it begins: a multiple of four, with `VNET_HEADER` bytes before it that may be overwritten
   */
  push(at: number, length: number): void {
    const { bytes, view } = this.#memory
    const isV6 = (bytes[at] as number) >> 4 === 6
    const protocol = bytes[at + (isV6 ? 6 : 9)] as number
    const start = isV6 ? 40 : ((bytes[at] as number) & 15) * 4
    const isTcp = protocol === TCP
    if ((!isTcp && protocol !== UDP) || (!isV6 && (view.getUint16(at + 6) & 0x3fff) !== 0) || length < start + 8)
      return this.#alone(at, length)
    const run = this.#runOf(at, isV6, protocol, start)
    const headers = isTcp ? start + ((bytes[at + start + 12] as number) >> 4) * 4 : start + 8
    const data = length - headers
    const joins =
      data > 0 &&
      (isV6 || start === 20) &&
      (isTcp
        ? headers >= start + 20 && ((bytes[at + start + 13] as number) & ~PSH) === ACK
        : this.#joinsUdp &&
          view.getUint16(at + start + 4) === length - start &&
          view.getUint16(at + start + 6) !== 0) &&
      isRight(this.#memory, at, isV6, protocol, at + start, length - start)
    if (!joins) {
      if (run !== undefined) this.#finish(run)
      return this.#alone(at, length)
    }
    if (run !== undefined) {
      if (this.#follows(run, at, headers, data)) return this.#append(run, at, headers, data)
      this.#finish(run)
    }
    this.#begin(at, length, { isV6, protocol, start, headers, data })
  }

  /** Passes on all that waits. */
  flush(): void {
    while (this.#open.length > 0) this.#finish(this.#open[0] as Run)
  }

  #alone(at: number, length: number): void {
    writePlainHeader(this.#memory, at - VNET_HEADER)
    this.#write(at - VNET_HEADER, length + VNET_HEADER)
  }

  /** The run of the same addresses, ports and protocol. */
  #runOf(at: number, isV6: boolean, protocol: number, start: number): Run | undefined {
    const [from, size] = isV6 ? [8, 32] : [12, 8]
    return this.#open.find(
      (run) =>
        run.isV6 === isV6 &&
        run.protocol === protocol &&
        this.#sameWords(run.at + from, at + from, size) &&
        this.#sameWords(run.at + run.start, at + start, 4),
    )
  }

  #sameWords(a: number, b: number, size: number): boolean {
    const { words } = this.#memory
    for (let i = 0; i < size >> 2; i++) if (words[(a >> 2) + i] !== words[(b >> 2) + i]) return false
    return true
  }

  /** Can this packet be the next piece of the run? */
  #follows(run: Run, at: number, headers: number, data: number): boolean {
    const { bytes, view } = this.#memory
    const { isV6, start } = run
    if (run.closed || headers !== run.headers || data > run.piece) return false
    if (run.length + data > MOST || run.pieces >= MOST_PIECES) return false
    // Version, class and flow label; or type of service, "do not fragment", time to live.
    const alike = isV6
      ? view.getUint32(run.at) === view.getUint32(at) && bytes[run.at + 7] === bytes[at + 7]
      : bytes[run.at + 1] === bytes[at + 1] &&
        view.getUint16(run.at + 6) === view.getUint16(at + 6) &&
        bytes[run.at + 8] === bytes[at + 8]
    if (!alike) return false
    if (run.protocol !== TCP) return true
    // The number acknowledged and the options are shared by all pieces; so is the window.
    return (
      view.getUint32(at + start + 4) === run.next &&
      view.getUint32(run.at + start + 8) === view.getUint32(at + start + 8) &&
      view.getUint16(run.at + start + 14) === view.getUint16(at + start + 14) &&
      this.#sameWords(run.at + start + 20, at + start + 20, headers - start - 20)
    )
  }

  #append(run: Run, at: number, headers: number, data: number): void {
    const { bytes } = this.#memory
    bytes.copyWithin(run.at + run.length, at + headers, at + headers + data)
    run.length += data
    run.pieces++
    run.next = (run.next + data) >>> 0
    if (data < run.piece) run.closed = true
    if (run.protocol === TCP && ((bytes[at + run.start + 13] as number) & PSH) !== 0) {
      bytes[run.at + run.start + 13] = (bytes[run.at + run.start + 13] as number) | PSH
      run.closed = true
    }
  }

  #begin(
    at: number,
    length: number,
    seen: Readonly<{ isV6: boolean; protocol: number; start: number; headers: number; data: number }>,
  ): void {
    if (this.#free.length === 0) this.#finish(this.#open[0] as Run)
    const run = this.#free.pop() as Run
    const { bytes, view } = this.#memory
    bytes.copyWithin(run.at, at, at + length)
    run.length = length
    run.pieces = 1
    run.isV6 = seen.isV6
    run.protocol = seen.protocol
    run.start = seen.start
    run.headers = seen.headers
    run.piece = seen.data
    const isTcp = seen.protocol === TCP
    run.next = isTcp ? (view.getUint32(at + seen.start + 4) + seen.data) >>> 0 : 0
    run.closed = isTcp && ((bytes[at + seen.start + 13] as number) & PSH) !== 0
    this.#open.push(run)
  }

  /** Passes a run on. */
  #finish(run: Run): void {
    this.#open.splice(this.#open.indexOf(run), 1)
    this.#free.push(run)
    if (run.pieces === 1) return this.#alone(run.at, run.length)
    const { view } = this.#memory
    const { at, start, isV6, protocol, length } = run
    if (isV6) view.setUint16(at + 4, length - 40)
    else {
      view.setUint16(at + 2, length)
      writeHeaderChecksum(this.#memory, at, start)
    }
    const isTcp = protocol === TCP
    if (!isTcp) view.setUint16(at + start + 4, length - start)
    // The kernel adds the rest when it cuts, or believes that it was right.
    const pseudo = fold(addPseudoHeader(this.#memory, at, isV6, protocol, length - start))
    view.setUint16(at + start + (isTcp ? 16 : 6), pseudo, true)
    const type = isTcp ? (isV6 ? GSO_TCPV6 : GSO_TCPV4) : GSO_UDP
    writeGsoHeader(this.#memory, at - VNET_HEADER, { type, size: run.piece, start, headers: run.headers })
    this.#write(at - VNET_HEADER, length + VNET_HEADER)
  }
}
