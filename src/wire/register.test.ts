/** Register requests: what real daemons sent, member by member, and what is refused. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { recorded } from '../../test/support/recorded.ts'
import { utf8 } from '../base/bytes.ts'
import { MeshError } from '../base/errors.ts'
import { readRegisterRequest, REQUEST_MAX } from './register.ts'
import type { RegisterRequest } from './register.ts'

const KEY = `nodekey:${'1f'.repeat(32)}`
const ZERO = '0'.repeat(64)

function read(body: unknown): RegisterRequest {
  return readRegisterRequest(utf8(typeof body === 'string' ? body : JSON.stringify(body)))
}

for (const { name, body } of recorded('register'))
  test(`recorded: ${name}`, () => {
    const { hostinfo, ...rest } = read(body)
    assert.deepEqual(rest, {
      version: 145,
      nodeKey: body.NodeKey,
      lockKey: body.NLKey,
      // Year 1 means "not set"; a time in the past logs out.
      ...(name.startsWith('alpha, logged out') ? { expiry: Date.UTC(1970, 0, 1, 0, 2, 3) } : {}),
      followup: '',
      ephemeral: false,
      tailnet: '',
    })
    assert.deepEqual(hostinfo, body.Hostinfo)
  })

test('what is absent, null or zero is not there', () => {
  const nothing = { version: 0, nodeKey: 'nodekey:', followup: '', hostinfo: {}, ephemeral: false, tailnet: '' }
  assert.deepEqual(read({}), nothing)
  assert.deepEqual(read({ NodeKey: null, Auth: null, Hostinfo: null, Expiry: null, NLKey: null }), nothing)
  assert.deepEqual(
    read({ NodeKey: `nodekey:${ZERO}`, OldNodeKey: `nodekey:${ZERO}`, NLKey: `nlpub:${ZERO}`, Auth: { AuthKey: ' ' } }),
    nothing,
  )
})

test('an auth key is read without the space around it, and does not print', () => {
  const { authKey } = read({ NodeKey: KEY, Auth: { AuthKey: ' tskey-auth-a-b\n' } })
  assert.equal(authKey?.reveal(), 'tskey-auth-a-b')
  assert.equal(JSON.stringify({ authKey }), '{"authKey":"[auth key]"}')
})

const refused: readonly { readonly name: string; readonly body: unknown; readonly says: RegExp }[] = [
  { name: 'a node key of another kind', body: { NodeKey: `mkey:${ZERO}` }, says: /NodeKey: want a node key/ },
  { name: 'an empty node key', body: { NodeKey: '' }, says: /NodeKey/ },
  { name: 'a number where a text belongs', body: { Followup: 1 }, says: /Followup: want a text/ },
  { name: 'a text where a truth value belongs', body: { Ephemeral: 'true' }, says: /Ephemeral/ },
  { name: 'a time that is none', body: { Expiry: 'tomorrow' }, says: /Expiry/ },
  {
    name: 'a time of a year that nobody can write back',
    body: { Expiry: '9999-12-31T23:59:59-01:00' },
    says: /Expiry/,
  },
  { name: 'a capability version beyond 32 bits', body: { Version: 2 ** 31 }, says: /Version/ },
  { name: 'an array for a message', body: [], says: /want an object/ },
  { name: 'nothing at all', body: '', says: /not JSON/ },
  { name: 'an auth key that is a number', body: { Auth: { AuthKey: 12 } }, says: /Auth\.AuthKey/ },
  { name: 'more than a mebibyte', body: ' '.repeat(REQUEST_MAX + 1), says: /longer than/ },
]
for (const { name, body, says } of refused)
  test(`refused: ${name}`, () => {
    assert.throws(
      () => read(body),
      (error) => error instanceof MeshError && error.code === 'json/malformed' && says.test(error.message),
    )
  })
