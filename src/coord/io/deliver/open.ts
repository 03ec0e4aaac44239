/** What deliveries need of the world: a way to send, ciphers, compression, and the server's own key for secrets. */

import { createHmac } from 'node:crypto'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import type { DeliverySeams } from '../../deliveries.ts'
import type { Sha256 } from '../../model/credentials.ts'
import type { Seal } from '../identity/seal.ts'
import { Targets } from './targets.ts'

export interface OpenDeliveries {
  readonly sha256: Sha256
  readonly seal: Seal
  /** Addresses beyond the internet that may be sent to. */
  readonly privateTargets: readonly string[]
}

export function openDeliveries({ sha256, seal, privateTargets }: OpenDeliveries): DeliverySeams {
  const abort = new AbortController()
  const targets = new Targets(privateTargets)
  // Most servers deliver nothing.
  let sending: Promise<typeof import('./send.ts')> | undefined
  return {
    async send(outgoing) {
      sending ??= import('./send.ts')
      return await (await sending).send(outgoing, { targets, signal: abort.signal })
    },
    abort: () => abort.abort(),
    unseal: (sealed, place) => seal.unseal(sealed, place),
    making: {
      sha256,
      hmac: (key, text) => createHmac('sha256', key).update(text).digest(),
      compress: (bytes, format) => (format === 'gzip' ? gzipSync(bytes) : zstdCompressSync(bytes)),
    },
  }
}
