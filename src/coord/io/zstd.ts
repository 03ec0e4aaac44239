/**
 * Zstandard by the library inside Node, called past `node:zlib`, which makes a context for every text: that costs more
 * than to compress a short one. Here a context is made once for each effort. Where the library can't be called, and
 * for texts that are long, `node:zlib` does the same; the bytes are the same too.
 */

import { zstdCompressSync } from 'node:zlib'
import { Arena, nativeFunctions } from '../../crypto/io/raw-memory.ts'
import type { Address, Handle } from '../../crypto/io/raw-memory.ts'

/** Parameters of zstd by their numbers in `node:zlib`'s constants, which are zstd's own. */
export type Effort = Readonly<Record<number, number>>
export type Compress = (text: string) => Uint8Array

/** In bytes; the pages of a first map are below it by far. */
const MOST_TEXT = 256 * 1024
/** What zstd needs at most for so much (`ZSTD_compressBound`). */
const MOST_FRAME = MOST_TEXT + (MOST_TEXT >> 8)

interface Zstd {
  ZSTD_createCCtx(): Handle
  ZSTD_CCtx_setParameter(context: Handle, parameter: number, value: number): number
  ZSTD_compress2(context: Handle, into: Address, room: number, text: Address, length: number): number
  ZSTD_isError(code: number): number
}

const PROTOTYPES: { readonly [Name in keyof Zstd]: string } = {
  ZSTD_createCCtx: 'int64_t ZSTD_createCCtx()',
  ZSTD_CCtx_setParameter: 'int64_t ZSTD_CCtx_setParameter(int64_t context, int parameter, int value)',
  ZSTD_compress2: 'int64_t ZSTD_compress2(int64_t context, int64_t into, size_t room, int64_t text, size_t length)',
  ZSTD_isError: 'unsigned int ZSTD_isError(int64_t code)',
}

/** `node:zlib`'s way. @param chunkSize what it writes into, and keeps alive: more than this weighs on small frames */
export function nodeZstd(params: Effort, chunkSize?: number): Compress {
  const options = { params: { ...params }, ...(chunkSize === undefined ? {} : { chunkSize }) }
  return (text) => zstdCompressSync(text, options)
}

/**
 * The direct way; contexts and arena are kept while the process lives.
 *
 * @param twin gets what is too long for the arena
 * @throws Error where the library or raw memory is not to be had
 */
export function makeDirectZstd(): (params: Effort, twin: Compress) => Compress {
  const zstd = nativeFunctions<Zstd>(PROTOTYPES)
  const arena = new Arena(MOST_TEXT + MOST_FRAME)
  const textAt = arena.address(0, MOST_TEXT)
  const frameAt = arena.address(MOST_TEXT, MOST_FRAME)
  return (params, twin) => {
    const context = zstd.ZSTD_createCCtx()
    // A tagged pointer would not fit a double: then koffi gives a bigint.
    if (typeof context !== 'number' || context === 0) throw new Error('Cannot make a context of zstd')
    for (const [parameter, value] of Object.entries(params))
      if (zstd.ZSTD_isError(zstd.ZSTD_CCtx_setParameter(context, Number(parameter), value)) !== 0)
        throw new Error(`Cannot set parameter ${parameter} of zstd`)
    return (text) => {
      const length = text.length > MOST_TEXT ? undefined : arena.putText(0, MOST_TEXT, text)
      if (length === undefined) return twin(text)
      const size = zstd.ZSTD_compress2(context, frameAt, MOST_FRAME, textAt, length)
      // Errors are numbers just below zero, and beyond any size when read without a sign.
      if (typeof size !== 'number' || size <= 0 || size > MOST_FRAME) throw new Error('Cannot compress: zstd refused')
      return arena.take(MOST_TEXT, size)
    }
  }
}

let direct: ReturnType<typeof makeDirectZstd> | undefined

/** The direct way where it can be had and gives just what `node:zlib` gives, else that. */
export function chooseZstd(params: Effort, twin: Compress): Compress {
  try {
    direct ??= makeDirectZstd()
    const made = direct(params, twin)
    return SAMPLES.every((text) => Buffer.from(made(text)).equals(twin(text))) ? made : twin
  } catch {
    return twin
  }
}

const SAMPLES = ['', ',', '{"PeersChangedPatch":[{"NodeID":2,"Online":true}]}', 'é{"ID":1,'.repeat(300)]
