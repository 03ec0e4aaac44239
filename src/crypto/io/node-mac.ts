/** Keyed BLAKE2s by `node:crypto`, whose typings do not know `createMac` yet. */

import * as crypto from 'node:crypto'
import type { Bytes } from '../../base/bytes.ts'

interface Mac {
  update(data: Bytes): Mac
  final(): Uint8Array
}

interface MacMaker {
  createMac(algorithm: 'blake2smac', key: Bytes, options: { readonly outputLength: number }): Mac
}

/** BLAKE2s in its keyed mode with an output of 16 bytes. `createHash` would take a key too, and ignore it. */
export function blake2sMac(key: Bytes, ...parts: readonly Bytes[]): Uint8Array {
  const mac = (crypto as unknown as MacMaker).createMac('blake2smac', key, { outputLength: 16 })
  for (const part of parts) mac.update(part)
  return mac.final()
}
