/** ID tokens, verified against an issuer in memory: what is let through, what is not, and how often the issuer is asked. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose'
import type { CryptoKey, JWK } from 'jose'
import { HOUR_MS, MINUTE_MS } from '../../../base/clock.ts'
import type { Mono, Wall } from '../../../base/clock.ts'
import { Federated } from './federated.ts'

const ISSUER = 'https://issuer.example/realm'
const AUDIENCE = 'sett.example/kX'
const NOW = Date.parse('2026-01-02T03:04:05Z') as Wall

interface Pair {
  readonly privateKey: CryptoKey
  readonly jwk: JWK
}
async function pair(kid: string | undefined, alg = 'ES256'): Promise<Pair> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  return { privateKey, jwk: { ...(await exportJWK(publicKey)), alg, ...(kid === undefined ? {} : { kid }) } }
}

class Issuer {
  keys: JWK[] = []
  document: unknown = { issuer: ISSUER, jwks_uri: 'https://keys.example/jwks' }
  readonly asked: string[] = []
  readonly failures: string[] = []
  down = false
  mono = 1_000_000
  readonly federated = new Federated({
    mono: () => this.mono as Mono,
    failed: (_, why) => this.failures.push(why),
    fetch: async (url) => {
      this.asked.push(url)
      if (this.down) throw new Error('connection refused')
      return url.endsWith('/jwks') ? { keys: this.keys } : this.document
    },
  })

  verify(jwt: string, now = NOW) {
    return this.federated.verify(jwt, { issuer: ISSUER, audience: AUDIENCE }, now)
  }
}

interface Said {
  readonly [claim: string]: unknown
}
const GOOD: Said = { iss: ISSUER, aud: AUDIENCE, sub: 'job', exp: NOW / 1000 + 300, iat: NOW / 1000 }

function sign({ privateKey, jwk }: Pair, claims: Said = GOOD, header: object = {}): Promise<string> {
  const kid = jwk.kid === undefined ? {} : { kid: jwk.kid }
  return new SignJWT({ ...claims }).setProtectedHeader({ alg: jwk.alg as string, ...kid, ...header }).sign(privateKey)
}

test('a token of the issuer is good, whichever of its algorithms signs it', async () => {
  for (const alg of ['ES256', 'RS256', 'PS256', 'EdDSA']) {
    const issuer = new Issuer()
    const key = await pair('one', alg)
    issuer.keys = [key.jwk]
    const proved = await issuer.verify(await sign(key))
    assert.deepEqual(proved, { kind: 'proved', claims: GOOD }, alg)
    assert.deepEqual(issuer.asked, [`${ISSUER}/.well-known/openid-configuration`, 'https://keys.example/jwks'])
  }
})

test('what does not hold is refused, and the issuer is not asked about what anybody can see', async () => {
  const [key, other] = [await pair('one'), await pair('one')]
  const hmac = new TextEncoder().encode(JSON.stringify(key.jwk))
  const good = await sign(key)
  const rows: { name: string; jwt: string; why: RegExp; asked: boolean }[] = [
    { name: 'no token', jwt: 'hunter2', why: /no JSON Web Token/, asked: false },
    {
      name: 'another issuer',
      jwt: await sign(key, { ...GOOD, iss: 'https://issuer.example' }),
      why: /"iss"/,
      asked: false,
    },
    { name: 'another audience', jwt: await sign(key, { ...GOOD, aud: 'x' }), why: /"aud"/, asked: false },
    { name: 'no audience', jwt: await sign(key, { ...GOOD, aud: undefined }), why: /"aud"/, asked: false },
    { name: 'without end', jwt: await sign(key, { ...GOOD, exp: undefined }), why: /no time/, asked: false },
    { name: 'over', jwt: await sign(key, { ...GOOD, exp: NOW / 1000 - 60 }), why: /expired/, asked: false },
    { name: 'not yet', jwt: await sign(key, { ...GOOD, nbf: NOW / 1000 + 61 }), why: /"nbf"/, asked: true },
    { name: 'nobody', jwt: await sign(key, { ...GOOD, sub: undefined }), why: /"sub"/, asked: true },
    { name: 'somebody else’s key', jwt: await sign(other), why: /not signed by a key/, asked: true },
    {
      name: 'changed',
      jwt: good.replace(/\.(.)/, (_, c) => `.${c === 'e' ? 'f' : 'e'}`),
      why: /no JSON|not signed/,
      asked: false,
    },
    { name: 'unsigned', jwt: new UnsecuredJWT({ ...GOOD }).encode(), why: /not signed by a key/, asked: true },
    {
      name: 'signed with what is public',
      jwt: await new SignJWT({ ...GOOD }).setProtectedHeader({ alg: 'HS256', kid: 'one' }).sign(hmac),
      why: /not signed by a key/,
      asked: true,
    },
  ]
  for (const { name, jwt, why, asked } of rows) {
    const issuer = new Issuer()
    issuer.keys = [key.jwk]
    const told = await issuer.verify(jwt)
    assert.equal(told.kind, 'refused', name)
    if (told.kind === 'refused') assert.match(told.why, why, name)
    assert.equal(issuer.asked.length > 0, asked, name)
  }
})

test('one of several audiences is enough, and clocks may differ by a minute', async () => {
  const issuer = new Issuer()
  const key = await pair('one')
  issuer.keys = [key.jwk]
  assert.equal((await issuer.verify(await sign(key, { ...GOOD, aud: ['x', AUDIENCE] }))).kind, 'proved')
  assert.equal((await issuer.verify(await sign(key, { ...GOOD, exp: NOW / 1000 - 59 }))).kind, 'proved')
  assert.equal((await issuer.verify(await sign(key, { ...GOOD, nbf: NOW / 1000 + 59 }))).kind, 'proved')
})

test('keys are kept for ten minutes; a new one is read at once, but no more often than every 30 seconds', async () => {
  const issuer = new Issuer()
  const [one, two, foreign] = [await pair('one'), await pair('two'), await pair('three')]
  issuer.keys = [one.jwk]
  for (let i = 0; i < 5; i++) await issuer.verify(await sign(one))
  assert.equal(issuer.asked.length, 2)
  issuer.keys = [one.jwk, two.jwk]
  assert.equal((await issuer.verify(await sign(two))).kind, 'refused')
  assert.equal(issuer.asked.length, 2)
  issuer.mono += 30_000
  assert.equal((await issuer.verify(await sign(two))).kind, 'proved')
  assert.equal(issuer.asked.length, 4)
  for (let i = 0; i < 5; i++) assert.equal((await issuer.verify(await sign(foreign))).kind, 'refused')
  assert.equal(issuer.asked.length, 4)
  issuer.mono += 10 * MINUTE_MS
  assert.equal((await issuer.verify(await sign(one))).kind, 'proved')
  assert.equal(issuer.asked.length, 6)
})

test('tokens that come at once ask once', async () => {
  const issuer = new Issuer()
  const key = await pair('one')
  issuer.keys = [key.jwk]
  const jwt = await sign(key)
  const told = await Promise.all(Array.from({ length: 20 }, () => issuer.verify(jwt)))
  assert.ok(told.every(({ kind }) => kind === 'proved'))
  assert.equal(issuer.asked.length, 2)
})

test('keys without names are tried in turn', async () => {
  const issuer = new Issuer()
  const [one, two, foreign] = [await pair(undefined), await pair(undefined), await pair(undefined)]
  issuer.keys = [one.jwk, two.jwk]
  assert.equal((await issuer.verify(await sign(two))).kind, 'proved')
  assert.equal((await issuer.verify(await sign(foreign))).kind, 'refused')
})

test('an issuer that fails is left alone for a while, said once, and what it said last holds for an hour', async () => {
  const issuer = new Issuer()
  const key = await pair('one')
  issuer.keys = [key.jwk]
  const jwt = await sign(key, { ...GOOD, exp: NOW / 1000 + 86_400 })
  issuer.down = true
  for (let i = 0; i < 3; i++) {
    const told = await issuer.verify(jwt)
    assert.deepEqual(
      told.kind === 'refused' && told.why,
      'The keys of the issuer cannot be read; the server’s log says why',
    )
  }
  assert.deepEqual([issuer.asked.length, issuer.failures], [1, ['connection refused']])
  issuer.down = false
  issuer.mono += 10_000
  assert.equal((await issuer.verify(jwt)).kind, 'proved')
  issuer.down = true
  issuer.mono += HOUR_MS - 1
  assert.equal((await issuer.verify(jwt)).kind, 'proved')
  issuer.mono += 10_001
  assert.equal((await issuer.verify(jwt)).kind, 'refused')
})

test('documents that are none are refused, and nobody is sent from https to where others read along', async () => {
  const key = await pair('one')
  const jwt = await sign(key)
  const rows: { document: unknown; why: RegExp }[] = [
    { document: null, why: /another issuer/ },
    { document: { issuer: `${ISSUER}/`, jwks_uri: 'https://keys.example/jwks' }, why: /another issuer/ },
    { document: { issuer: ISSUER }, why: /no jwks_uri/ },
    { document: { issuer: ISSUER, jwks_uri: 'http://keys.example/jwks' }, why: /not https/ },
    { document: { issuer: ISSUER, jwks_uri: 'http://127.0.0.1/jwks' }, why: /this machine itself/ },
    { document: { issuer: ISSUER, jwks_uri: 'https://localhost/jwks' }, why: /this machine itself/ },
    { document: { issuer: ISSUER, jwks_uri: 'file:///etc/passwd' }, why: /not https/ },
  ]
  for (const { document, why } of rows) {
    const issuer = new Issuer()
    issuer.keys = [key.jwk]
    issuer.document = document
    assert.equal((await issuer.verify(jwt)).kind, 'refused')
    assert.match(issuer.failures.join(), why)
  }
  const crowded = new Issuer()
  crowded.keys = Array.from({ length: 101 }, () => key.jwk)
  assert.equal((await crowded.verify(jwt)).kind, 'refused')
})
