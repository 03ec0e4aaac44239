/** A certificate authority for one test, and a certificate by it for the given names, made with OpenSSL's command. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'

export type Authority = {
  /** PEM files: whom to trust, the server's certificate with its chain, its key, and both of them in one. */
  readonly root: string
  readonly cert: string
  readonly key: string
  readonly both: string
}

/** @param names host names and addresses that the certificate is for, the first of them as its subject */
export function makeAuthority(dir: string, names: readonly string[]): Authority {
  const folder = join(dir, 'certificates')
  mkdirSync(folder, { recursive: true })
  const file = (name: string): string => join(folder, name)
  const openssl = (...args: string[]): Buffer => execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'ignore'] })
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  openssl(
    'req',
    '-x509',
    ...ec,
    '-keyout',
    file('root.key'),
    '-out',
    file('root.pem'),
    '-days',
    '2',
    '-subj',
    '/CN=Sett test authority',
  )
  openssl('req', ...ec, '-keyout', file('server.key'), '-out', file('server.csr'), '-subj', `/CN=${names[0] ?? 'sett'}`)
  const alternatives = names.map((name) => `${isIP(name) === 0 ? 'DNS' : 'IP'}:${name}`).join(',')
  writeFileSync(
    file('server.ext'),
    `subjectAltName=${alternatives}\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n`,
  )
  const signed = openssl(
    'x509',
    '-req',
    '-in',
    file('server.csr'),
    '-CA',
    file('root.pem'),
    '-CAkey',
    file('root.key'),
    '-CAcreateserial',
    '-days',
    '2',
    '-extfile',
    file('server.ext'),
  )
  writeFileSync(file('server.pem'), signed)
  writeFileSync(file('both.pem'), Buffer.concat([signed, readFileSync(file('server.key'))]), { mode: 0o600 })
  return { root: file('root.pem'), cert: file('server.pem'), key: file('server.key'), both: file('both.pem') }
}
