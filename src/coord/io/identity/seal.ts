/**
 * Secrets that the server must be able to say again, such as that of its own client at an identity provider, are kept
 * sealed: whoever has a copy of the database alone does not have them. (AES-256-GCM, the key in the data folder)
 */

import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { MeshError } from '../../../base/errors.ts'
import type { Secret } from '../../../base/secret.ts'

const NONCE = 12
const TAG = 16
const VERSION = 'v1'

export interface Seal {
  /** @param place what it belongs to; it opens for no other */
  seal(text: string, place: string): string
  /** Throws `config/invalid` when it was sealed with another key, or for another place. */
  unseal(sealed: string, place: string): string
}

/** @param key 32 bytes, in hex */
export function createSeal(key: Secret): Seal {
  const bytes = Buffer.from(key.reveal(), 'hex')
  return {
    seal(text, place) {
      const nonce = randomBytes(NONCE)
      const cipher = createCipheriv('aes-256-gcm', bytes, nonce).setAAD(Buffer.from(place))
      const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
      return `${VERSION}.${Buffer.concat([nonce, body, cipher.getAuthTag()]).toString('base64url')}`
    },
    unseal(sealed, place) {
      const [version, text = ''] = sealed.split('.', 2)
      const all = Buffer.from(text, 'base64url')
      if (version === VERSION && all.length >= NONCE + TAG)
        try {
          const open = createDecipheriv('aes-256-gcm', bytes, all.subarray(0, NONCE)).setAAD(Buffer.from(place))
          open.setAuthTag(all.subarray(all.length - TAG))
          return Buffer.concat([open.update(all.subarray(NONCE, all.length - TAG)), open.final()]).toString('utf8')
        } catch {
          // Said below.
        }
      throw new MeshError(
        'config/invalid',
        `Cannot open the secret of ${place}: it was sealed with another key than this data folder’s secrets.key; enter it anew`,
      )
    },
  }
}
