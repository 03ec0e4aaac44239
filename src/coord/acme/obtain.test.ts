/** The conversation with an authority, against one in memory: how it ends well, and each way in which it does not. */

import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { describe, test } from 'node:test'
import { FakeAcme } from '../../../test/support/fake-acme.ts'
import type { FakeAnswer, FakeRules } from '../../../test/support/fake-acme.ts'
import { utf8 } from '../../base/bytes.ts'
import type { Wall } from '../../base/clock.ts'
import { signerOf } from '../io/acme/account-key.ts'
import { makeRequest } from '../io/acme/certificate-request.ts'
import { base64url } from './jws.ts'
import { obtain } from './obtain.ts'
import type { Outcome, Proof, Reply, Wish } from './obtain.ts'
import { retryAfterMs } from './retry-after.ts'

const NAME = 'sett.example.com'
const account = signerOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)

interface Talked {
  readonly outcome: Outcome
  readonly acme: FakeAcme
  readonly waited: number
  /** Proofs that were shown; none may be left. */
  readonly proofs: readonly Proof[]
  readonly key: string
}

/** Holds a whole conversation. The proof is found where it belongs, unless the rules say otherwise. */
function talk(rules: FakeRules = {}, wish: Partial<Wish> = {}, acme = new FakeAcme()): Talked {
  let shown: Proof | undefined
  const proofs: Proof[] = []
  const find = (type: string, name: string, token: string) =>
    shown?.type === type && shown.name === name && shown.token === token ? shown.keyAuthorization : undefined
  acme.rules = { look: find, ...rules }
  const { request, key } = makeRequest(NAME)
  const steps = obtain(
    {
      directory: acme.directory,
      name: NAME,
      email: undefined,
      externalAccount: undefined,
      challenge: 'http-01',
      request: base64url(request),
      ...wish,
    },
    account,
  )
  let waited = 0
  for (let reply: Reply | undefined, count = 0; ; count++) {
    assert.ok(count < 500, 'it comes to an end')
    const { done, value } = steps.next(reply)
    if (done) {
      assert.equal(shown, undefined, 'what was shown is withdrawn')
      return { outcome: value, acme, waited, proofs, key }
    }
    reply = undefined
    if (value.kind === 'send') reply = replyOf(acme.handle(value.method, value.url, value.body))
    else if (value.kind === 'present') proofs.push((shown = value.proof))
    else if (value.kind === 'withdraw') shown = undefined
    else waited += value.ms
  }
}

function replyOf({ status, body, headers }: FakeAnswer): Reply {
  return {
    status,
    body,
    nonce: headers['replay-nonce'],
    location: headers['location'],
    retryAfterMs: retryAfterMs(headers['retry-after'], undefined, 0 as Wall),
  }
}

function problem(status: number, type: string, detail = 'because', headers = {}): Partial<FakeAnswer> {
  return { status, body: JSON.stringify({ type: `urn:ietf:params:acme:error:${type}`, detail }), headers }
}

function issued({ outcome, key }: Talked): void {
  assert.equal(outcome.kind, 'issued', outcome.kind === 'failed' ? outcome.why : '')
  const certificate = new X509Certificate(outcome.kind === 'issued' ? outcome.chain : '')
  assert.equal(certificate.checkHost(NAME), NAME)
  assert.ok(key.includes('PRIVATE KEY'))
}

describe('a certificate comes', () => {
  for (const challenge of ['http-01', 'tls-alpn-01'] as const)
    test(`by ${challenge}: one order, one proof that holds token and key, and the request last`, () => {
      const talked = talk({}, { challenge })
      issued(talked)
      const { acme, proofs } = talked
      assert.deepEqual(acme.asked, [
        'directory',
        'nonce',
        'newAccount',
        'newOrder',
        'authorization',
        `challenge ${challenge}`,
        'authorization',
        'order',
        'finalize',
        'order',
        'certificate',
      ])
      const { crv, kty, x, y } = account.jwk
      const thumbprint = createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url')
      const token = acme.orders[0]?.authorization.tokens[challenge]
      assert.deepEqual(proofs, [{ type: challenge, name: NAME, token, keyAuthorization: `${token}.${thumbprint}` }])
    })

  test('the account is made once, with an address and agreed terms, and found again', () => {
    const terms = 'https://ca.test/terms'
    const first = talk({ terms }, { email: 'anna@example.com' })
    assert.deepEqual(first.acme.accounts[0]?.contact, ['mailto:anna@example.com'])
    assert.deepEqual(first.outcome.kind === 'issued' && first.outcome.agreed, { terms })
    const second = talk({ terms }, {}, first.acme)
    assert.equal(second.outcome.kind === 'issued' && second.outcome.agreed, undefined)
    assert.equal(second.acme.accounts.length, 1)
  })

  test('without a proof where the name was proved before', () => {
    const talked = talk({ proved: true })
    issued(talked)
    assert.deepEqual(talked.proofs, [])
  })

  const patient: readonly (readonly [string, FakeRules, number])[] = [
    ['while order and proof are looked at again and again', { looks: 4 }, 30_000],
    [
      'after nonces that are refused',
      { instead: (asked, n) => (asked === 'newOrder' && n < 6 ? problem(400, 'badNonce') : undefined) },
      0,
    ],
    [
      'after answers that never came and a server that was overloaded',
      {
        instead: (asked, n) =>
          asked !== 'newOrder' || n > 3
            ? undefined
            : n === 1
              ? { status: 0, body: 'no answer' }
              : { status: 503, body: '<html>' },
      },
      14_000,
    ],
    [
      'after a pause that was asked for',
      {
        instead: (asked, n) =>
          asked === 'order' && n === 1 ? problem(429, 'rateLimited', 'slowly', { 'retry-after': '20' }) : undefined,
      },
      20_000,
    ],
  ]
  for (const [name, rules, waited] of patient)
    test(name, () => {
      const talked = talk(rules)
      issued(talked)
      assert.ok(talked.waited >= waited && talked.waited <= waited + 60_000, `waited ${talked.waited} ms`)
    })

  test('as a known customer, where the authority wants to know', () => {
    const hmacKey = utf8('a secret of both of us')
    const rules = { externalAccounts: { 'kid-1': hmacKey } }
    issued(talk(rules, { externalAccount: { kid: 'kid-1', hmacKey } }))
    const without = talk(rules).outcome
    assert.ok(without.kind === 'failed' && /give --acme-eab/.test(without.why))
    const wrong = talk(rules, { externalAccount: { kid: 'kid-1', hmacKey: utf8('another') } }).outcome
    assert.ok(wrong.kind === 'failed' && /nobody knows this customer \(unauthorized\)/.test(wrong.why))
  })
})

const on = (what: string, answer: Partial<FakeAnswer>): FakeRules => ({
  instead: (asked) => (asked === what ? answer : undefined),
})
const json = (body: object, headers = {}): Partial<FakeAnswer> => ({ body: JSON.stringify(body), headers })
const IN_PROGRESS = {
  status: 'processing',
  authorizations: [],
  finalize: 'https://ca.test/f',
}

describe('it fails, and says how', () => {
  const rows: readonly (readonly [string, FakeRules, RegExp, number?])[] = [
    [
      'the directory is elsewhere',
      on('directory', { status: 404, body: 'Not found' }),
      /Cannot read the directory .*status 404; is this the address of an ACME server\?/,
    ],
    ['the directory is a web page', on('directory', { body: '<html>' }), /Cannot read the directory .*it is no JSON/],
    [
      'the directory lacks something',
      on('directory', json({ newNonce: 'https://ca.test/n' })),
      /newAccount is no https address/,
    ],
    [
      'the directory leads out of TLS',
      on('directory', json({ newNonce: 'http://ca.test/n' })),
      /newNonce is no https address/,
    ],
    [
      'nobody answers',
      on('directory', { status: 0, body: 'ca.test: nobody listens there' }),
      /ca\.test: nobody listens there/,
    ],
    [
      'there are no nonces',
      on('nonce', { headers: { 'replay-nonce': undefined as never } }),
      /Cannot get a nonce .*sends none/,
    ],
    [
      'every nonce is refused',
      on('newAccount', problem(400, 'badNonce')),
      /Cannot open an account: because \(badNonce\); it refuses every nonce/,
    ],
    [
      'the account was closed',
      on('newAccount', json({ status: 'deactivated' }, { location: 'https://ca.test/account/0' })),
      /account is deactivated: delete acme-account\.pem/,
    ],
    ['the account has no address', on('newAccount', json({ status: 'valid' })), /gave the account no address/],
    [
      'the terms have changed',
      on('newAccount', problem(403, 'userActionRequired', 'see https://ca.test/new-terms')),
      /see https:\/\/ca\.test\/new-terms .*agree/,
    ],
    ['the address is not liked', on('newAccount', problem(400, 'invalidContact')), /another address with --acme-email/],
    [
      'it was asked too often',
      on('newOrder', problem(429, 'rateLimited', 'too many certificates', { 'retry-after': '7200' })),
      /Cannot order a certificate for sett\.example\.com: too many certificates \(rateLimited\); it has been asked too often/,
      7_200_000,
    ],
    ['the name is none for it', on('newOrder', problem(400, 'rejectedIdentifier')), /names of the public DNS/],
    [
      'the order is malformed',
      on('newOrder', json({ status: 'odd' }, { location: 'https://ca.test/order/0' })),
      /Cannot read the order: status is none of pending/,
    ],
    [
      'an answer is malformed',
      on('order', json({ status: 'ready', authorizations: 'x', finalize: 1 })),
      /authorizations is no list/,
    ],
    [
      'another name is to be proved',
      on('authorization', json({ status: 'pending', identifier: { value: 'other.example' }, challenges: [] })),
      /wants a proof of "other\.example", which was not asked for/,
    ],
    [
      'the way to prove it is not offered',
      { challenges: ['dns-01'] },
      /takes no proof by http-01 for sett\.example\.com/,
    ],
    [
      'the proof was not found',
      { look: () => undefined },
      /could not prove sett\.example\.com by http-01: Fetching the proof .*Connection refused \(connection\); .*TCP port 80/,
    ],
    ['another proof was found', { look: () => 'something else' }, /did not match this challenge \(unauthorized\)/],
    [
      'a token is none',
      on(
        'authorization',
        json({
          status: 'pending',
          identifier: { value: NAME },
          challenges: [{ type: 'http-01', token: '../key', url: 'https://ca.test/c', status: 'pending' }],
        }),
      ),
      /takes no proof by http-01/,
    ],
    [
      'the proof is never judged',
      { looks: 10_000 },
      /still at work on the proof of sett\.example\.com after 5 minutes/,
    ],
    [
      'the order is never finished',
      { instead: (asked, n) => (asked === 'order' && n > 1 ? json(IN_PROGRESS) : undefined) },
      /still at work on the certificate after 5 minutes/,
    ],
    [
      'the wait is longer than anybody waits',
      { instead: (asked) => (asked === 'order' ? json(IN_PROGRESS, { 'retry-after': '999999' }) : undefined) },
      /still at work/,
      999_999_000,
    ],
    [
      'the order is given up',
      {
        instead: (asked) =>
          asked === 'order'
            ? json({
                ...IN_PROGRESS,
                status: 'invalid',
                error: { type: 'urn:ietf:params:acme:error:caa', detail: 'CAA forbids it' },
              })
            : undefined,
      },
      /gave the order up: CAA forbids it \(caa\)/,
    ],
    [
      'the request is refused',
      on('finalize', problem(400, 'badCSR', 'weak key')),
      /Cannot finish the order: weak key \(badCSR\)/,
    ],
    [
      'the order ends without a certificate',
      { instead: (asked, n) => (asked === 'order' && n > 1 ? json({ ...IN_PROGRESS, status: 'valid' }) : undefined) },
      /ended as valid, without a certificate/,
    ],
    [
      'the certificate is gone',
      on('certificate', { status: 500, body: 'x'.repeat(1000) }),
      /Cannot fetch the certificate: status 500/,
    ],
    [
      'what it says is put on one line',
      on('newOrder', problem(400, 'malformed', 'a\n2026 error forged\u001b[31m\u202e')),
      /: a 2026 error forged \[31m  ?\(malformed\)/,
    ],
  ]
  for (const [name, rules, why, retry] of rows)
    test(name, () => {
      const { outcome, waited } = talk(rules)
      assert.ok(outcome.kind === 'failed', 'it fails')
      assert.match(outcome.why, why)
      assert.equal(outcome.retryAfterMs, retry)
      assert.ok(waited <= 6 * 60_000, `waited ${waited} ms`)
    })
})

describe('how long to wait', () => {
  const now = Date.UTC(2026, 10, 24, 19, 0, 0) as Wall
  const rows: readonly (readonly [string | undefined, string | undefined, number | undefined])[] = [
    [undefined, undefined, undefined],
    ['120', undefined, 120_000],
    [' 0 ', undefined, 0],
    ['-1', undefined, undefined],
    ['1e3', undefined, undefined],
    ['soon', undefined, undefined],
    ['Tue, 24 Nov 2026 19:01:00 GMT', undefined, 60_000],
    ['Tue, 24 Nov 2026 18:00:00 GMT', undefined, 0],
    // By the clock of whoever says it.
    ['Tue, 24 Nov 2026 12:00:10 GMT', 'Tue, 24 Nov 2026 12:00:00 GMT', 10_000],
    ['Tue, 24 Nov 2026 19:01:00 GMT', 'yesterday', 60_000],
    ['2026-11-24T19:01:00Z', undefined, undefined],
    ['Tue, 99 Nov 2026 19:01:00 GMT', undefined, undefined],
  ]
  test('seconds, or a moment on the calendar of whoever says it', () => {
    for (const [header, date, want] of rows) assert.equal(retryAfterMs(header, date, now), want, `${header} at ${date}`)
  })
})
