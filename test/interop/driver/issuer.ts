/**
 * An issuer of ID tokens on the loopback of a namespace, as its own program: what it publishes is given to it on its
 * command line, and tokens are signed by whoever holds the key, in the test.
 */
import { createServer } from 'node:http'

import { exportJWK, generateKeyPair, SignJWT } from 'jose'

import type { Namespace } from '../../lab/namespace.ts'

const PROGRAM = new URL(import.meta.url).pathname

export type Issuer = {
  readonly url: string
  /** An ID token, good for a quarter of an hour. */
  sign(audience: string, subject: string, claims?: Readonly<Record<string, unknown>>): Promise<string>
}

export async function startIssuer(where: Namespace, port = 9090): Promise<Issuer> {
  const url = `http://127.0.0.1:${port}`
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
  const documents = {
    '/.well-known/openid-configuration': { issuer: url, jwks_uri: `${url}/keys` },
    '/keys': { keys: [{ ...(await exportJWK(publicKey)), alg: 'ES256', kid: 'test' }] },
  }
  const program = where.spawn(process.execPath, [PROGRAM, String(port), JSON.stringify(documents)], { name: 'issuer' })
  await program.waitFor(/^serving$/m)
  return {
    url,
    sign: (audience, subject, claims = {}) =>
      new SignJWT({ ...claims })
        .setProtectedHeader({ alg: 'ES256', kid: 'test' })
        .setIssuer(url)
        .setSubject(subject)
        .setAudience(audience)
        .setIssuedAt()
        .setExpirationTime('15m')
        .sign(privateKey),
  }
}

if (import.meta.main) {
  const [port = '', texts = '{}'] = process.argv.slice(2)
  const documents = JSON.parse(texts) as Record<string, unknown>
  const server = createServer((req, res) => {
    const found = documents[req.url ?? '']
    res.writeHead(found === undefined ? 404 : 200, { 'content-type': 'application/json' })
    res.end(JSON.stringify(found ?? {}))
  })
  server.listen(Number(port), '127.0.0.1', () => console.log('serving'))
}
