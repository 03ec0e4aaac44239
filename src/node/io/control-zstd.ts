/** zstd for map streams, from Node: within a limit when unpacking, since a few bytes may claim to hold gigabytes. */

import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import type { Bytes } from '../../base/bytes.ts'

/** Unpacks one frame or several in a row; `undefined` for what is none, or holds more than `limit` bytes. */
export function unzstd(packed: Bytes, limit: number): Bytes | undefined {
  try {
    return zstdDecompressSync(packed, { maxOutputLength: limit })
  } catch {
    return undefined
  }
}

export function zstd(bytes: Bytes): Bytes {
  return zstdCompressSync(bytes)
}
