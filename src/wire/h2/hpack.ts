/**
 * Header lists to header blocks and back. (RFC 7541)
 *
 * The encoder keeps no table: it says so in its first block and then uses the static one only, so a connection's
 * sending side costs no memory and never depends on what the peer allows. The decoder keeps the 4,096 bytes that
 * every HTTP/2 connection starts with. Octets become text one character each; what they mean is the reader's matter.
 */

import type { Bytes } from '../../base/bytes.ts'
import { DynamicTable, fieldSize, STATIC, staticField, staticName } from './hpack-tables.ts'
import type { Field } from './hpack-tables.ts'
import { huffmanLength, huffmanRead, huffmanWrite, latin1 } from './huffman.ts'

export type { Field } from './hpack-tables.ts'

/** The table size nobody has to announce. (RFC 9113 §6.5.2) */
export const TABLE_BYTES = 4096

export type HeaderList = {
  readonly fields: readonly Field[]
  /** The list was longer than the limit; `fields` is what came before. */
  readonly tooLong: boolean
}

/** Fields whose values no intermediary may put in a table either. (RFC 7541 §7.1.3) */
const SENSITIVE: ReadonlySet<string> = new Set(['authorization', 'proxy-authorization', 'cookie', 'set-cookie'])

/** Writes header lists. Names must be lowercase, characters at most U+00FF (fields.ts checks that). */
export class HeaderEncoder {
  #first = true

  encode(fields: readonly Field[]): Uint8Array {
    let room = 1
    for (const [name, value] of fields) room += name.length + value.length + 12
    const out = new Uint8Array(room)
    let at = 0
    if (this.#first) {
      // Dynamic table size 0: this encoder never uses one.
      out[at++] = 0x20
      this.#first = false
    }
    for (const [name, value] of fields) {
      const known = staticField(name, value)
      if (known > 0) {
        at = writeInteger(out, at, 0x80, 7, known)
        continue
      }
      const index = staticName(name)
      at = writeInteger(out, at, SENSITIVE.has(name) ? 0x10 : 0x00, 4, index)
      if (index === 0) at = writeString(out, at, name)
      at = writeString(out, at, value)
    }
    return out.subarray(0, at)
  }
}

/** Reads header blocks; every block of a connection must go through it, wanted or not. */
export class HeaderDecoder {
  readonly #table = new DynamicTable(TABLE_BYTES)
  readonly #listBytes: number
  #in: Bytes = new Uint8Array(0)
  #at = 0

  /** @param listBytes how long a list may be, counted as RFC 9113 §6.5.2 counts */
  constructor(listBytes: number) {
    this.#listBytes = listBytes
  }

  /** Counted bytes in the dynamic table: at most `TABLE_BYTES`. */
  get tableBytes(): number {
    return this.#table.size
  }

  /** The list in a whole block; `undefined` when the block is broken, and with it the connection. */
  decode(block: Bytes): HeaderList | undefined {
    this.#in = block
    this.#at = 0
    const fields: Field[] = []
    let size = 0
    let begun = false
    while (this.#at < block.length) {
      const first = block[this.#at] as number
      if ((first & 0xe0) === 0x20) {
        // Table size updates come first in a block, and stay below what we announced. (RFC 7541 §4.2, §6.3)
        const limit = this.#integer(5)
        if (begun || limit === undefined || limit > TABLE_BYTES) return undefined
        this.#table.resize(limit)
        continue
      }
      begun = true
      const field = this.#field(first)
      if (field === undefined) return undefined
      size += fieldSize(field[0], field[1])
      if (size <= this.#listBytes) fields.push(field)
    }
    return { fields, tooLong: size > this.#listBytes }
  }

  #field(first: number): Field | undefined {
    if (first >= 0x80) {
      const index = this.#integer(7)
      return index === undefined ? undefined : this.#lookUp(index)
    }
    const keep = first >= 0x40
    const index = this.#integer(keep ? 6 : 4)
    if (index === undefined) return undefined
    const name = index === 0 ? this.#string() : this.#lookUp(index)?.[0]
    if (name === undefined) return undefined
    const value = this.#string()
    if (value === undefined) return undefined
    const field: Field = [name, value]
    if (keep) this.#table.add(field)
    return field
  }

  #lookUp(index: number): Field | undefined {
    return index <= STATIC.length ? STATIC[index - 1] : this.#table.get(index - STATIC.length - 1)
  }

  /** RFC 7541 §5.1; beyond 2^28 nothing that we take can be meant. */
  #integer(prefix: number): number | undefined {
    const full = (1 << prefix) - 1
    let value = (this.#in[this.#at++] as number) & full
    if (value < full) return value
    for (let shift = 0; shift <= 21; shift += 7) {
      const byte = this.#in[this.#at++]
      if (byte === undefined) return undefined
      value += (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    return undefined
  }

  #string(): string | undefined {
    const first = this.#in[this.#at]
    if (first === undefined) return undefined
    const length = this.#integer(7)
    if (length === undefined || length > this.#in.length - this.#at) return undefined
    const octets = this.#in.subarray(this.#at, this.#at + length)
    this.#at += length
    return first >= 0x80 ? huffmanRead(octets) : latin1(octets)
  }
}

function writeInteger(out: Uint8Array, at: number, flags: number, prefix: number, value: number): number {
  const full = (1 << prefix) - 1
  if (value < full) {
    out[at++] = flags | value
    return at
  }
  out[at++] = flags | full
  let rest = value - full
  for (; rest >= 0x80; rest >>>= 7) out[at++] = (rest & 0x7f) | 0x80
  out[at++] = rest
  return at
}

function writeString(out: Uint8Array, at: number, text: string): number {
  const packed = huffmanLength(text)
  if (packed < text.length) return huffmanWrite(text, out, writeInteger(out, at, 0x80, 7, packed))
  at = writeInteger(out, at, 0, 7, text.length)
  for (let i = 0; i < text.length; i++) out[at++] = text.charCodeAt(i)
  return at
}
