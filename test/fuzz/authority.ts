/** What an authority that gives certificates may say: messages, waits, chains, and whole conversations full of them. */

import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import * as fc from 'fast-check'
import type { Wall } from '../../src/base/clock.ts'
import * as messages from '../../src/coord/acme/messages.ts'
import { obtain } from '../../src/coord/acme/obtain.ts'
import type { Reply } from '../../src/coord/acme/obtain.ts'
import { retryAfterMs } from '../../src/coord/acme/retry-after.ts'
import { signerOf } from '../../src/coord/io/acme/account-key.ts'
import { faultOfChain } from '../../src/coord/io/acme/kept-certificate.ts'
import { makeSelfSigned } from '../../src/crypto/io/self-signed.ts'
import { decoder } from './decoder.ts'
import type { Decoder } from './decoder.ts'
import { jsonLike } from './json.ts'
import { textsLike } from './shapes.ts'

const NAME = 'sett.example.com'
const at = (path: string): string => `https://ca.example/${path}`

const SAID: readonly object[] = [
  {
    newNonce: at('n'),
    newAccount: at('a'),
    newOrder: at('o'),
    meta: { termsOfService: at('t'), externalAccountRequired: false },
  },
  { status: 'pending', authorizations: [at('z')], finalize: at('f') },
  { status: 'valid', authorizations: [at('z')], finalize: at('f'), certificate: at('c') },
  {
    status: 'ready',
    authorizations: [],
    finalize: at('f'),
    error: { type: 'urn:ietf:params:acme:error:caa', detail: 'no' },
  },
  {
    status: 'pending',
    identifier: { type: 'dns', value: NAME },
    challenges: [{ type: 'http-01', url: at('h'), token: 'abc', status: 'pending', error: { detail: 'x' } }],
  },
  { status: 'valid', identifier: { type: 'dns', value: NAME }, challenges: [] },
  { type: 'urn:ietf:params:acme:error:badNonce', detail: 'again' },
  { type: 'urn:ietf:params:acme:error:rateLimited', detail: 'later' },
]
const READERS = [
  messages.readDirectory,
  messages.readOrder,
  messages.readAuthorization,
  messages.readAccount,
] as readonly messages.Reader<unknown>[]

const signer = signerOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
const own = makeSelfSigned([NAME], new Date())

/** What is said gets into logs and onto terminals: on one line, visible, and not without an end. */
function isPlain(text: string): void {
  assert.doesNotMatch(text, /[\p{C}\p{Zl}\p{Zp}]/u)
  assert.ok(text.length < 4000, `${text.length} characters`)
}

const replies: fc.Arbitrary<Reply> = fc.record({
  status: fc.constantFrom(0, 200, 200, 200, 201, 301, 400, 429, 500, 503),
  body: jsonLike(SAID),
  nonce: fc.constantFrom(undefined, 'abc', 'def', 'ghi'),
  location: fc.constantFrom(undefined, at('order/1'), at('order/1'), 'http://ca.example/', 'https://'),
  retryAfterMs: fc.constantFrom(undefined, 0, 5000, 1e15),
})

export const AUTHORITY: readonly Decoder[] = [
  decoder({
    name: 'ACME messages',
    inputs: fc.tuple(fc.constantFrom(...READERS), jsonLike(SAID)),
    read([reader, text]) {
      const found = messages.read(text, reader)
      if (found instanceof messages.Unreadable) isPlain(found.why)
      // Whatever is asked next is asked over TLS.
      else
        for (const [, url] of JSON.stringify(found).matchAll(/"(?:url|new\w+|finalize|certificate)":"([^"]*)"/g))
          assert.ok(url?.startsWith('https://'))
    },
  }),
  decoder({
    name: 'ACME problems',
    inputs: jsonLike(SAID),
    read(text) {
      const { type, detail } = messages.readProblem(400, text)
      isPlain(type)
      isPlain(detail)
    },
  }),
  decoder({
    name: 'Retry-After',
    inputs: fc.tuple(
      textsLike(['120', 'Tue, 24 Nov 2026 19:01:00 GMT']),
      fc.option(textsLike(['Tue, 24 Nov 2026 19:00:00 GMT']), { nil: undefined }),
    ),
    read([header, date]) {
      const ms = retryAfterMs(header, date, 1_800_000_000_000 as Wall)
      assert.ok(ms === undefined || (Number.isFinite(ms) && ms >= 0))
    },
  }),
  decoder({
    name: 'chains of certificates',
    inputs: textsLike([own.cert, own.cert + own.cert, makeSelfSigned(['other.example'], new Date()).cert]),
    read(cert) {
      const fault = faultOfChain({ cert, key: own.key }, NAME)
      if (fault !== undefined) isPlain(fault)
    },
  }),
  decoder({
    name: 'conversations with an authority',
    inputs: fc.array(replies, { minLength: 1, maxLength: 30 }),
    read(said) {
      const wish = { directory: at('d'), name: NAME, email: undefined, externalAccount: undefined, request: 'AA' }
      const steps = obtain({ ...wish, challenge: 'http-01' }, signer)
      let shown = false
      let waited = 0
      for (let reply: Reply | undefined, count = 0; ;) {
        const { done, value } = steps.next(reply)
        if (done) {
          assert.ok(!shown, 'a proof is left')
          if (value.kind === 'failed') isPlain(value.why)
          return
        }
        reply = undefined
        if (value.kind === 'wait') waited += value.ms
        else if (value.kind !== 'send') shown = value.kind === 'present'
        else {
          assert.ok(value.url.startsWith('https://'))
          // It repeats itself for ever, and still there is an end.
          reply = said[count++ % said.length]
          assert.ok(count < 2000, 'no end in sight')
        }
        assert.ok(waited < 3_600_000, `waited ${waited} ms`)
      }
    },
    memory: { fixed: 64 * 1024 * 1024, perByte: 4096 },
  }),
]
