/** What a person reads when the machine knows no address of a name. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { whyNotFound } from './here.ts'

test('a name that is not found is told in the official words, with no server, on one line, and what to do', () => {
  for (const [code, why] of [
    ['ENOTFOUND', 'no such host'],
    ['EAI_AGAIN', 'server misbehaving'],
    ['EAI_FAIL', 'getaddrinfo EAI_FAIL nosuch'],
  ] as const) {
    const error = Object.assign(new Error(`getaddrinfo ${code} nosuch`), { code })
    const text = whyNotFound('nosuch', error)
    assert.ok(text.startsWith(`lookup nosuch: ${why} (`), text)
    assert.ok(text.endsWith(`(no peer has that name either; "sett status" lists those there are)`), text)
  }
})
