/**
 * An ACME authority in memory (RFC 8555): strict about nonces and signatures, with a certificate at the end, and with
 * the troubles that a test asks for. It answers requests as values; `listen` puts it behind TLS on loopback.
 */

import { createHash, createHmac, createPublicKey, generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto'
import type { JsonWebKeyInput, KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import * as der from '../../src/crypto/io/der.ts'
import {
  ECDSA_SHA256,
  makeSelfSigned,
  NO_AUTHORITY,
  pem,
  subjectAltName,
  tbsCertificate,
} from '../../src/crypto/io/self-signed.ts'

export interface FakeAnswer {
  readonly status: number
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
}

/** What was asked for, in words: `newOrder`, `authorization`, `challenge http-01`, … */
export type Asked = string

export interface FakeRules {
  /** Looks for a proof as the authority does from outside: what it found. Absent: everything is proved. */
  readonly look?: (type: string, name: string, token: string) => Promise<string | undefined> | string | undefined
  /** Said instead of the usual answer, as long as there is something. */
  readonly instead?: (asked: Asked, count: number) => Partial<FakeAnswer> | undefined
  /** Ways to prove a name that are offered; both if nobody says. */
  readonly challenges?: readonly string[]
  /** Names were proved before. */
  readonly proved?: boolean
  /** Looks at an order or a proof before it is done. */
  readonly looks?: number
  /** Key ids and keys of customers; with one, accounts need it. */
  readonly externalAccounts?: Readonly<Record<string, Uint8Array>>
  /** From when to when certificates are good. */
  readonly validity?: () => { readonly from: Date; readonly until: Date }
  readonly terms?: string
}

type Jwk = JsonWebKeyInput['key']

interface Account {
  readonly url: string
  readonly key: KeyObject
  readonly contact: unknown
}

interface FakeOrder {
  readonly name: string
  status: string
  looksLeft: number
  chain?: string
  authorization: {
    status: string
    looksLeft: number
    error?: object
    readonly tokens: Readonly<Record<string, string>>
  }
}

export class FakeAcme {
  origin = 'https://ca.test'
  rules: FakeRules
  readonly accounts: Account[] = []
  readonly orders: FakeOrder[] = []
  /** Everything that was asked for, in order. */
  readonly asked: Asked[] = []
  readonly #nonces = new Set<string>()
  readonly #ca = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey

  constructor(rules: FakeRules = {}) {
    this.rules = rules
  }

  get directory(): string {
    return `${this.origin}/directory`
  }

  handle(method: string, url: string, body = ''): FakeAnswer {
    const path = url.slice(this.origin.length)
    const asked = this.#nameOf(path)
    this.asked.push(asked)
    const count = this.asked.filter((each) => each === asked).length
    const instead = this.rules.instead?.(asked, count)
    if (instead !== undefined) {
      return { status: 200, body: '', ...instead, headers: { ...this.#nonce(), ...instead.headers } }
    }
    if (path === '/directory') return this.#json(200, this.#directory())
    if (path === '/nonce') return { status: method === 'HEAD' ? 200 : 405, body: '', headers: this.#nonce() }
    return method === 'POST' ? this.#signed(path, url, body) : this.#problem(405, 'malformed', 'want POST')
  }

  #directory(): object {
    const { origin, rules } = this
    return {
      newNonce: `${origin}/nonce`,
      newAccount: `${origin}/account`,
      newOrder: `${origin}/order`,
      meta: {
        ...(rules.terms === undefined ? {} : { termsOfService: rules.terms }),
        externalAccountRequired: rules.externalAccounts !== undefined,
      },
    }
  }

  #signed(path: string, url: string, body: string): FakeAnswer {
    const outer = JSON.parse(body) as { protected: string; payload: string; signature: string }
    const head = parse(outer.protected) as { alg: string; nonce: string; url: string; kid?: string; jwk?: Jwk }
    if (!this.#nonces.delete(head.nonce)) return this.#problem(400, 'badNonce', 'this nonce is not known')
    if (head.url !== url || head.alg !== 'ES256') return this.#problem(400, 'malformed', 'not signed for this address')
    const isNew = path === '/account'
    const account = this.accounts.find((each) => each.url === head.kid)
    const key = isNew && head.jwk !== undefined ? createPublicKey({ key: head.jwk, format: 'jwk' }) : account?.key
    if (key === undefined) return this.#problem(400, 'accountDoesNotExist', 'no such account')
    const input = Buffer.from(`${outer.protected}.${outer.payload}`)
    if (!verify('sha256', input, { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(outer.signature, 'base64url')))
      return this.#problem(401, 'unauthorized', 'the signature is wrong')
    const payload = outer.payload === '' ? undefined : parse(outer.payload)
    if (isNew) return this.#account(key, url, payload as Record<string, unknown>)
    const [, kind = '', index = '', type = ''] = path.split('/')
    if (kind === 'order' && index === '') return this.#newOrder(payload as { identifiers: { value: string }[] })
    const order = this.orders[Number(index)]
    if (order === undefined) return this.#problem(404, 'malformed', 'there is no such thing')
    if (kind === 'order') return this.#order(order, index)
    if (kind === 'authorization') return this.#authorization(order, index)
    if (kind === 'challenge') return this.#challenge(order, index, type, account as Account)
    if (kind === 'finalize') return this.#finalize(order, index, (payload as { csr: string }).csr)
    return {
      status: 200,
      body: order.chain ?? '',
      headers: { ...this.#nonce(), 'content-type': 'application/pem-certificate-chain' },
    }
  }

  #account(key: KeyObject, url: string, payload: Record<string, unknown>): FakeAnswer {
    const known = this.accounts.find((each) => each.key.equals(key))
    if (known !== undefined) return this.#json(200, { status: 'valid' }, { location: known.url })
    if (payload['termsOfServiceAgreed'] !== true) return this.#problem(403, 'userActionRequired', 'agree to the terms')
    const { externalAccounts } = this.rules
    if (externalAccounts !== undefined) {
      const bound = payload['externalAccountBinding'] as { protected: string; payload: string; signature: string }
      const head = parse(bound.protected) as { alg: string; kid: string; url: string }
      const mac = createHmac('sha256', externalAccounts[head.kid] ?? '').update(`${bound.protected}.${bound.payload}`)
      const same = mac.digest('base64url') === bound.signature && head.alg === 'HS256' && head.url === url
      if (!same || !createPublicKey({ key: parse(bound.payload) as Jwk, format: 'jwk' }).equals(key))
        return this.#problem(403, 'unauthorized', 'nobody knows this customer')
    }
    const account = { url: `${this.origin}/account/${this.accounts.length}`, key, contact: payload['contact'] }
    this.accounts.push(account)
    return this.#json(201, { status: 'valid' }, { location: account.url })
  }

  #newOrder({ identifiers }: { identifiers: readonly { readonly value: string }[] }): FakeAnswer {
    const { challenges = ['http-01', 'dns-01', 'tls-alpn-01'], looks = 0 } = this.rules
    const tokens = Object.fromEntries(challenges.map((type) => [type, randomBytes(32).toString('base64url')]))
    const index = this.orders.length
    const authorization = { status: this.rules.proved === true ? 'valid' : 'pending', looksLeft: looks, tokens }
    this.orders.push({ name: identifiers[0]?.value ?? '', status: 'pending', looksLeft: looks, authorization })
    const { origin } = this
    return this.#json(201, this.#orderBody(this.orders[index] as FakeOrder, `${index}`), {
      location: `${origin}/order/${index}`,
    })
  }

  #order(order: FakeOrder, index: string): FakeAnswer {
    if (order.status === 'processing' && order.looksLeft-- <= 0) order.status = 'valid'
    return this.#json(200, this.#orderBody(order, index))
  }

  #orderBody(order: FakeOrder, index: string): object {
    if (order.status === 'pending' && order.authorization.status !== 'pending')
      order.status = order.authorization.status === 'valid' ? 'ready' : 'invalid'
    return {
      status: order.status,
      identifiers: [{ type: 'dns', value: order.name }],
      authorizations: [`${this.origin}/authorization/${index}`],
      finalize: `${this.origin}/finalize/${index}`,
      ...(order.status === 'valid' ? { certificate: `${this.origin}/certificate/${index}` } : {}),
    }
  }

  #authorization({ name, authorization }: FakeOrder, index: string): FakeAnswer {
    if (authorization.status === 'processing' && authorization.looksLeft-- <= 0) authorization.status = 'valid'
    const status = authorization.status === 'processing' ? 'pending' : authorization.status
    return this.#json(200, {
      status,
      identifier: { type: 'dns', value: name },
      challenges: Object.entries(authorization.tokens).map(([type, token]) => ({
        type,
        token,
        status,
        url: `${this.origin}/challenge/${index}/${type}`,
        ...(authorization.error === undefined ? {} : { error: authorization.error }),
      })),
    })
  }

  #challenge({ name, authorization }: FakeOrder, index: string, type: string, { key }: Account): FakeAnswer {
    const token = authorization.tokens[type] as string
    const { x, y } = key.export({ format: 'jwk' })
    const thumbprint = sha256url(JSON.stringify({ crv: 'P-256', kty: 'EC', x, y }))
    const judge = (found: string | undefined): void => {
      if (found === `${token}.${thumbprint}`) authorization.status = 'processing'
      else {
        authorization.status = 'invalid'
        const detail =
          found === undefined
            ? `Fetching the proof of ${name}: Connection refused`
            : 'The key authorization file from the server did not match this challenge'
        authorization.error = {
          type: `urn:ietf:params:acme:error:${found === undefined ? 'connection' : 'unauthorized'}`,
          detail,
        }
      }
    }
    const found = this.rules.look === undefined ? `${token}.${thumbprint}` : this.rules.look(type, name, token)
    if (found instanceof Promise) found.then(judge, () => judge(undefined))
    else judge(found)
    return this.#json(200, { type, token, status: 'processing', url: `${this.origin}/challenge/${index}/${type}` })
  }

  #finalize(order: FakeOrder, index: string, csr: string): FakeAnswer {
    if (order.status !== 'ready') return this.#problem(403, 'orderNotReady', `the order is ${order.status}`)
    order.chain = this.certify(keyIn(Buffer.from(csr, 'base64url')), order.name)
    order.status = 'processing'
    return this.#json(200, this.#orderBody(order, index))
  }

  /** A certificate of this authority. @param key SubjectPublicKeyInfo, DER */
  certify(key: Uint8Array, name: string, validity = this.rules.validity): string {
    const now = Date.now()
    const { from, until } = validity?.() ?? { from: new Date(now - 3_600_000), until: new Date(now + 90 * 86_400_000) }
    const tbs = tbsCertificate({
      serial: randomBytes(8),
      algorithm: ECDSA_SHA256,
      commonName: name,
      notBefore: from,
      notAfter: until,
      publicKey: key,
      extensions: [NO_AUTHORITY, subjectAltName([name])],
    })
    return pem('CERTIFICATE', der.sequence(tbs, ECDSA_SHA256, der.bits(sign('sha256', tbs, this.#ca))))
  }

  #json(status: number, body: object, headers: Readonly<Record<string, string>> = {}): FakeAnswer {
    return { status, body: JSON.stringify(body), headers: { ...this.#nonce(), ...headers } }
  }

  #problem(status: number, type: string, detail: string): FakeAnswer {
    return this.#json(status, { type: `urn:ietf:params:acme:error:${type}`, detail })
  }

  #nonce(): Record<string, string> {
    const nonce = randomBytes(16).toString('base64url')
    this.#nonces.add(nonce)
    return { 'replay-nonce': nonce }
  }

  #nameOf(path: string): Asked {
    const [, kind = '', index = '', type = ''] = path.split('/')
    if (kind === 'account') return 'newAccount'
    if (kind === 'order') return index === '' ? 'newOrder' : 'order'
    return type === '' ? kind : `${kind} ${type}`
  }
}

/** The authority behind TLS on loopback. `ca` is what to trust. */
export async function listenAsAcme(acme: FakeAcme): Promise<{ readonly ca: string; close(): Promise<void> }> {
  const tls = makeSelfSigned(['127.0.0.1'], new Date())
  const server = createServer(tls, (req, res) => {
    let body = ''
    req.setEncoding('utf8').on('data', (piece: string) => (body += piece))
    req.on('end', () => {
      const answer = acme.handle(req.method ?? '', `${acme.origin}${req.url}`, body)
      res.writeHead(answer.status, { ...answer.headers }).end(answer.body)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  acme.origin = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    ca: tls.cert,
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

function parse(part: string): unknown {
  return JSON.parse(Buffer.from(part, 'base64url').toString())
}

function sha256url(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}

/** The public key that a request for a certificate is about (RFC 2986), once its own signature was found right. */
function keyIn(request: Uint8Array): Uint8Array {
  const [info, , signature] = partsOf(request) as [Uint8Array, Uint8Array, Uint8Array]
  const key = partsOf(info)[2] as Uint8Array
  const publicKey = createPublicKey({ key: Buffer.from(key), format: 'der', type: 'spki' })
  // A bit string: one byte says how many bits are unused.
  if (!verify('sha256', info, publicKey, bodyOf(signature).subarray(1)))
    throw new Error('the request is not signed by its key')
  return key
}

/** The values inside a constructed value of DER, each with its tag and length. */
function partsOf(value: Uint8Array): Uint8Array[] {
  const parts: Uint8Array[] = []
  for (let rest = bodyOf(value); rest.length > 0; rest = rest.subarray((parts.at(-1) as Uint8Array).length))
    parts.push(rest.subarray(0, spanOf(rest).end))
  return parts
}

function bodyOf(value: Uint8Array): Uint8Array {
  const { start, end } = spanOf(value)
  return value.subarray(start, end)
}

function spanOf(value: Uint8Array): { readonly start: number; readonly end: number } {
  const first = value[1] as number
  if (first < 0x80) return { start: 2, end: 2 + first }
  const size = first & 0x7f
  const length = value.subarray(2, 2 + size).reduce((sum, byte) => sum * 256 + byte, 0)
  return { start: 2 + size, end: 2 + size + length }
}
