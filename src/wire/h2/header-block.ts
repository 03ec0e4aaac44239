/** Gathers a header block from HEADERS and CONTINUATION, within limits. (RFC 9113 §6.2, §6.10) */

import type { Bytes } from '../../base/bytes.ts'
import { concat } from '../../base/bytes.ts'
import { connectionFault, FLAG, streamFault } from './codes.ts'
import type { Fault } from './codes.ts'
import { unpad } from './frame-rules.ts'
import { readU32 } from './frames.ts'
import type { Frame } from './frames.ts'

export type HeaderBlock = {
  readonly stream: number
  readonly endStream: boolean
  readonly block: Bytes
  /** Found before the block was read, which must be read all the same. */
  readonly fault: Fault | undefined
}

export class HeaderGatherer {
  readonly #most: number
  readonly #mostFrames: number
  #open: { stream: number; endStream: boolean; fault: Fault | undefined; parts: Bytes[]; bytes: number } | undefined

  /**
   * @param most bytes of one block
   * @param mostFrames CONTINUATION frames of one block
   */
  constructor(most: number, mostFrames: number) {
    this.#most = most
    this.#mostFrames = mostFrames
  }

  /** The stream whose block is unfinished: until it is, nothing else may come. */
  get stream(): number | undefined {
    return this.#open?.stream
  }

  /** Takes a HEADERS frame: a whole block, 'more' to come, or a fault. */
  begin(frame: Frame): HeaderBlock | 'more' | Fault {
    const part = unpad(frame)
    if (part === undefined) return connectionFault('PROTOCOL_ERROR', 'padding is longer than the frame')
    let block = part
    let fault: Fault | undefined
    if ((frame.flags & FLAG.PRIORITY) !== 0) {
      if (block.length < 5) return connectionFault('FRAME_SIZE_ERROR', 'HEADERS too short for its priority')
      if ((readU32(block, 0) & 0x7fff_ffff) === frame.stream)
        fault = streamFault(frame.stream, 'PROTOCOL_ERROR', 'stream depends on itself')
      block = block.subarray(5)
    }
    const endStream = (frame.flags & FLAG.END_STREAM) !== 0
    if ((frame.flags & FLAG.END_HEADERS) !== 0) return { stream: frame.stream, endStream, block, fault }
    // Kept beyond this call, so copied: the bytes are the caller's. (`slice` would not copy a Node Buffer.)
    this.#open = { stream: frame.stream, endStream, fault, parts: [new Uint8Array(block)], bytes: block.length }
    return 'more'
  }

  /** Takes a CONTINUATION frame. */
  go(frame: Frame): HeaderBlock | 'more' | Fault {
    const open = this.#open
    if (open === undefined || open.stream !== frame.stream)
      return connectionFault('PROTOCOL_ERROR', 'CONTINUATION without HEADERS')
    open.bytes += frame.payload.length
    if (open.bytes > this.#most || open.parts.length > this.#mostFrames)
      return connectionFault('ENHANCE_YOUR_CALM', 'header block is too long')
    open.parts.push(new Uint8Array(frame.payload))
    if ((frame.flags & FLAG.END_HEADERS) === 0) return 'more'
    this.#open = undefined
    return { stream: open.stream, endStream: open.endStream, block: concat(open.parts), fault: open.fault }
  }

  /** Lets go of an unfinished block. */
  clear(): void {
    this.#open = undefined
  }
}
