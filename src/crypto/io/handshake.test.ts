/** Both ways to compute a handshake against the same promises, and which of them is taken. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { blake2s } from '@noble/hashes/blake2.js'
import { hmac } from '@noble/hashes/hmac.js'
import * as fc from 'fast-check'
import { concat, EMPTY } from '../../base/bytes.ts'
import { PrivateKey } from '../../base/keys.ts'
import { bytes } from '../../../test/support/golden.ts'
import { chooseHandshake, handshakeMath } from './choose-handshake.ts'
import { nodeHandshake } from './node-handshake.ts'
import type { HandshakeMath } from './node-handshake.ts'
import { ARENA_LENGTH, makeOpensslHandshake } from './openssl-handshake.ts'
import { Arena } from './raw-memory.ts'

const onLinux = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch)
const skip = !onLinux && 'raw memory is reached on Linux only'
const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

const BASE_POINT = `09${'00'.repeat(31)}`
/** Points of low order (RFC 7748 §6.1), which lead to a result without bits whatever the key. */
const LOW_ORDER = [
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  `ec${'ff'.repeat(30)}7f`,
]

function contract(name: string, m: HandshakeMath): void {
  test(`${name}: a thousand exchanges, each with the results of the last (RFC 7748 §5.2)`, () => {
    let own: Uint8Array = bytes(BASE_POINT)
    let theirs = own
    for (let i = 0; i < 1000; i++) [own, theirs] = [m.x25519(new PrivateKey(own), theirs) ?? EMPTY, own]
    assert.equal(own.toHex(), '684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51')
  })

  test(`${name}: two agree on the same, and agree with Node, whatever the bits of their keys`, () => {
    fc.assert(
      fc.property(bytesOf(32), bytesOf(32), (a, b) => {
        const [alice, bob] = [new PrivateKey(a), new PrivateKey(b)]
        const shared = m.x25519(alice, m.x25519Public(bob))
        assert.equal(shared?.toHex(), m.x25519(bob, m.x25519Public(alice))?.toHex())
        assert.equal(shared?.toHex(), nodeHandshake.x25519(alice, nodeHandshake.x25519Public(bob))?.toHex())
        assert.equal(m.x25519(alice, b)?.toHex(), nodeHandshake.x25519(alice, b)?.toHex())
      }),
      { numRuns: 30 },
    )
  })

  test(`${name}: no exchange with a point of low order, nor with what is no point`, () => {
    const key = new PrivateKey(new Uint8Array(32).fill(7))
    for (const point of LOW_ORDER) assert.equal(m.x25519(key, bytes(point)), undefined, point)
    for (const length of [0, 1, 31, 33, 64, 5000])
      assert.equal(m.x25519(key, new Uint8Array(length).fill(9)), undefined)
    assert.equal(m.x25519(key, new Uint8Array(32).fill(9))?.length, 32)
  })

  test(`${name}: hashes agree with another library, in parts and of any length`, () => {
    const part = fc.uint8Array({ maxLength: 200 })
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.array(part, { maxLength: 4 }), (key, parts) => {
        assert.equal(m.blake2s(...parts).toHex(), blake2s(concat(parts)).toHex())
        assert.equal(m.hmacBlake2s(key, ...parts).toHex(), hmac(blake2s, key, concat(parts)).toHex())
      }),
    )
    for (const length of [4095, 4096, 4097, 100_000]) {
      const long = new Uint8Array(length).fill(5)
      assert.equal(m.blake2s(long, EMPTY).toHex(), blake2s(long).toHex())
      assert.equal(m.hmacBlake2s(long, long).toHex(), hmac(blake2s, long, long).toHex())
    }
  })

  test(`${name}: what it returns is the caller’s to change`, () => {
    const key = new PrivateKey(new Uint8Array(32).fill(7))
    const before = m.x25519Public(key).toHex()
    m.x25519Public(key).fill(0)
    assert.equal(m.x25519Public(key).toHex(), before)
  })
}

contract('node:crypto', nodeHandshake)

test('where raw memory can be had, OpenSSL is called directly', { skip }, () => {
  assert.notEqual(handshakeMath(), nodeHandshake)
  assert.equal(handshakeMath(), handshakeMath())
})

if (onLinux) {
  contract('OpenSSL', makeOpensslHandshake(nodeHandshake))

  test('OpenSSL: nothing secret stays in the arena', () => {
    const arena = new Arena(ARENA_LENGTH)
    const m = makeOpensslHandshake(nodeHandshake, arena)
    const key = new PrivateKey(new Uint8Array(32).fill(0xc1))
    const theirs = new Uint8Array(32).fill(9)
    const left = (what: string, result: Uint8Array | undefined) => {
      const there = Buffer.from(arena.take(0, arena.size))
      assert.ok(!there.includes(0xc1), what)
      assert.ok(result !== undefined && !there.includes(result), `${what}: the result`)
    }
    m.x25519Public(key)
    left('the exchange', m.x25519(key, theirs))
    left('a hash', m.blake2s(new Uint8Array(200).fill(0xc1)))
    left('an HMAC', m.hmacBlake2s(new Uint8Array(64).fill(0xc1), new Uint8Array(200).fill(0xc1)))
  })
}

const unlike = (change: Partial<HandshakeMath>) => () => ({ ...nodeHandshake, ...change })
const broken: { name: string; make: (plain: HandshakeMath) => HandshakeMath }[] = [
  {
    name: 'cannot be made',
    make: () => {
      throw new Error('no such function')
    },
  },
  { name: 'knows other public halves', make: unlike({ x25519Public: () => new Uint8Array(32) }) },
  { name: 'shares something else', make: unlike({ x25519: () => new Uint8Array(32) }) },
  {
    name: 'shares with points of low order',
    make: unlike({ x25519: (own, theirs) => nodeHandshake.x25519(own, theirs) ?? new Uint8Array(32) }),
  },
  { name: 'hashes otherwise', make: unlike({ blake2s: () => new Uint8Array(32) }) },
  { name: 'authenticates otherwise', make: unlike({ hmacBlake2s: () => new Uint8Array(32) }) },
]
test('what does not do as published is not taken, what does is', () => {
  for (const { name, make } of broken) assert.equal(chooseHandshake(make, nodeHandshake), nodeHandshake, name)
  const works = { ...nodeHandshake }
  assert.equal(
    chooseHandshake(() => works, nodeHandshake),
    works,
  )
})
