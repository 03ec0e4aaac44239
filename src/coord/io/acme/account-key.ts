/** The key by which the authority knows us: made once, kept in the data folder, and used for signing alone. */

import { createHash, createHmac, createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { MeshError } from '../../../base/errors.ts'
import type { Signer } from '../../acme/jws.ts'
import { writeWhole } from '../folder.ts'

const FILE = 'acme-account.pem'

/**
 * Reads the account's key, or makes one and keeps it, for its owner alone.
 *
 * @throws MeshError `config/invalid` when the file is not what it should be: it is never replaced silently
 */
export function loadAccountKey(folder: string): KeyObject {
  const file = join(folder, FILE)
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT')
      throw new MeshError('config/invalid', `Cannot read the key ${file}: ${(cause as Error).message}`, { cause })
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    writeWhole(file, privateKey.export({ type: 'pkcs8', format: 'pem' }))
    return privateKey
  }
  try {
    const key = createPrivateKey(text)
    if (key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return key
    throw new Error('it is of another kind')
  } catch (cause) {
    throw new MeshError(
      'config/invalid',
      `Cannot read the key ${file}: want a P-256 private key in PEM; restore it from a backup, or delete it to have another account made`,
      { cause },
    )
  }
}

export function signerOf(key: KeyObject): Signer {
  const { x = '', y = '' } = createPublicKey(key).export({ format: 'jwk' })
  return {
    jwk: { crv: 'P-256', kty: 'EC', x, y },
    sign: (bytes) => sign('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' }),
    sha256: (bytes) => createHash('sha256').update(bytes).digest(),
    hmacSha256: (secret, bytes) => createHmac('sha256', secret).update(bytes).digest(),
  }
}
