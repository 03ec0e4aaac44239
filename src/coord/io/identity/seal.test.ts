import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { MeshError } from '../../../base/errors.ts'
import { Secret } from '../../../base/secret.ts'
import { createSeal } from './seal.ts'

const keyed = () => createSeal(new Secret(randomBytes(32).toString('hex')))

test('a sealed text opens for its place and its key, and for nothing else', () => {
  const seal = keyed()
  const sealed = seal.seal('client secret ü', 'identity provider google')
  assert.equal(seal.unseal(sealed, 'identity provider google'), 'client secret ü')
  assert.ok(!Buffer.from(sealed.slice(3), 'base64url').includes('client secret'))
  const flipped = Buffer.from(sealed.slice(3), 'base64url')
  flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1
  const rows: readonly [string, () => string][] = [
    ['of another place', () => seal.unseal(sealed, 'identity provider okta')],
    ['by another key', () => keyed().unseal(sealed, 'identity provider google')],
    ['with a bit turned', () => seal.unseal(`v1.${flipped.toString('base64url')}`, 'identity provider google')],
    ['cut short', () => seal.unseal(sealed.slice(0, 30), 'identity provider google')],
    ['of another version', () => seal.unseal(sealed.replace('v1', 'v2'), 'identity provider google')],
    ['that is empty', () => seal.unseal('', 'identity provider google')],
  ]
  for (const [name, open] of rows)
    assert.throws(open, (error) => error instanceof MeshError && error.code === 'config/invalid', name)
})

test('the same text is never sealed the same way twice', () => {
  const seal = keyed()
  assert.equal(new Set(Array.from({ length: 200 }, () => seal.seal('x', 'y'))).size, 200)
})
