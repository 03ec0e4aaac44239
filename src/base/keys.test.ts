/** Texts and bytes of every kind of key against the golden vectors, and that secrets stay unprinted. */

import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { bytes, golden } from '../../test/support/golden.ts'
import type { GoldenCase } from '../../test/support/golden.ts'
import { readAttestationKey } from './attestation-key.ts'
import { MeshError } from './errors.ts'
import { readObject, textAs } from './go-json.ts'
import {
  challengeKeyOf,
  discoKeyOf,
  isZeroKey,
  lockKeyForCli,
  lockKeyOf,
  machineKeyOf,
  nodeKeyBinary,
  nodeKeyOf,
  parseNodeKey,
  PrivateKey,
  rawKey,
  readBareKey,
  readChallengeKey,
  readDiscoKey,
  readLockKey,
  readMachineKey,
  readNodeKey,
  readNodeKeyBinary,
  shortKey,
} from './keys.ts'
import type { LockKey, NodeKey, PublicKey } from './keys.ts'
import { LockPrivateKey } from './lock-private-key.ts'

interface Kind {
  /** Text to raw hex; `undefined` for anything else. */
  readonly read: (text: string) => string | undefined
  /** Raw bytes to text. */
  readonly write: (raw: Uint8Array) => string
  readonly length?: number
}

const publicKind = (read: (text: string) => PublicKey | undefined, write: (raw: Uint8Array) => PublicKey): Kind => ({
  read: (text) => {
    const key = read(text)
    return key && rawKey(key).toHex()
  },
  write,
})
const orUndefined = (parse: () => string): string | undefined => {
  try {
    return parse()
  } catch (e) {
    assert.ok(e instanceof MeshError && e.code === 'key/malformed')
    return undefined
  }
}
const privateKind: Kind = {
  read: (text) => orUndefined(() => PrivateKey.parse(text).reveal().toHex()),
  write: (raw) => new PrivateKey(raw).revealText(),
}
const kinds: { readonly [kind: string]: Kind } = {
  'machine-public': publicKind(readMachineKey, machineKeyOf),
  'node-public': publicKind(readNodeKey, nodeKeyOf),
  'disco-public': publicKind(readDiscoKey, discoKeyOf),
  'challenge-public': publicKind(readChallengeKey, challengeKeyOf),
  'lock-public': publicKind(readLockKey, lockKeyOf),
  'machine-private': privateKind,
  'node-private': privateKind,
  'lock-private': {
    read: (text) => orUndefined(() => LockPrivateKey.parse(text).revealText().slice(7)),
    write: (raw) => new LockPrivateKey(raw).revealText(),
    length: 64,
  },
  mesh: { read: (text) => readBareKey(text)?.toHex(), write: (raw) => raw.toHex() },
}

interface KeyCase extends GoldenCase {
  readonly kind: string
  readonly raw: string
  readonly text: string
  readonly json: string
  readonly short?: string
  readonly binary: string
  readonly untyped?: string
  readonly cli?: string
  readonly key_id?: string
}

for (const c of golden<KeyCase>('keys.json', 'encode')) {
  test(`golden: ${c.name}`, () => {
    const text = (kinds[c.kind] as Kind).write(bytes(c.raw))
    assert.equal(text, c.text)
    assert.equal(JSON.stringify(text), c.json)
    if (c.short !== undefined) assert.equal(shortKey(text as PublicKey), c.short)
    if (c.kind === 'node-public') {
      assert.equal(nodeKeyBinary(text as NodeKey).toHex(), c.binary)
      assert.equal(rawKey(text as NodeKey).toHex(), c.untyped)
    }
    if (c.cli !== undefined) {
      assert.deepEqual([lockKeyForCli(text as LockKey), rawKey(text as LockKey).toHex()], [c.cli, c.key_id])
    }
  })
}

for (const c of golden<KeyCase>('keys.json', 'parse')) {
  if (c.kind === 'attestation-public') continue
  test(`golden: ${c.name}`, () => assert.equal((kinds[c.kind] as Kind).read(c.text), c.raw))
}

interface AttestationCase extends KeyCase {
  readonly zero?: boolean
  readonly text_out?: string
}
for (const c of golden<AttestationCase>('keys.json', 'parse')) {
  if (c.kind !== 'attestation-public') continue
  test(`golden: ${c.name}`, () => {
    const key = readAttestationKey(c.text)
    assert.equal(key, c.text_out)
    if (key !== undefined) assert.equal(key === '', c.zero)
  })
}

for (const c of golden<KeyCase>('keys.json', 'parse-json')) {
  test(`golden: ${c.name}: ${c.json.slice(0, 12)}`, () => {
    const { read, length = 32 } = kinds[c.kind] as Kind
    let raw: string | undefined
    try {
      const fields = readObject(`{"Key":${c.json}}`, { what: 'Test', maxLength: 1000 })
      // `null` is accepted and leaves the key zero.
      raw = fields.optional('Key', textAs(read, 'a key')) ?? '00'.repeat(length)
    } catch (e) {
      assert.ok(e instanceof MeshError && e.code === 'json/malformed')
    }
    assert.equal(raw, c.raw)
  })
}

for (const c of golden<KeyCase>('keys.json', 'parse-untyped')) {
  test(`golden: ${c.name}`, () => assert.equal(readBareKey(c.text)?.toHex(), c.raw))
}
for (const c of golden<KeyCase>('keys.json', 'parse-mesh-key')) {
  // Mesh keys come from files, with a line feed behind them.
  test(`golden: ${c.name}`, () => assert.equal(readBareKey(c.text.trim())?.toHex(), c.raw))
}
for (const c of golden<KeyCase>('keys.json', 'parse-binary')) {
  test(`golden: ${c.name}`, () => {
    assert.equal(readNodeKeyBinary(bytes(c.binary)), c.raw === undefined ? undefined : nodeKeyOf(bytes(c.raw)))
  })
}

interface LockCase extends GoldenCase {
  readonly seed: string
  readonly private_text: string
  readonly public_text: LockKey
  readonly public_cli: string
  readonly key_id: string
}
for (const c of golden<LockCase>('keys.json', 'lock-public')) {
  test(`golden: ${c.name}`, () => {
    const key = LockPrivateKey.parse(c.private_text)
    assert.deepEqual(
      [
        key.revealText(),
        key.revealSeed().toHex(),
        key.publicKey,
        lockKeyForCli(key.publicKey),
        rawKey(key.publicKey).toHex(),
      ],
      [c.private_text, c.seed, c.public_text, c.public_cli, c.key_id],
    )
  })
}

interface SortCase extends GoldenCase {
  readonly a: string
  readonly b: string
  readonly compare: number
}
for (const c of golden<SortCase>('keys.json', 'sort-disco')) {
  test(`golden: ${c.name}: as texts, which sort as their bytes do`, () => {
    const [a, b] = [readDiscoKey(c.a), readDiscoKey(c.b)]
    assert.ok(a !== undefined && b !== undefined)
    assert.equal(a < b ? -1 : a > b ? 1 : 0, c.compare)
  })
}

test('private keys do not print themselves', () => {
  const raw = new Uint8Array(64).fill(0xab)
  for (const key of [new PrivateKey(raw.subarray(32)), new LockPrivateKey(raw)]) {
    for (const printed of [
      String(key),
      JSON.stringify({ key }),
      inspect(key, { depth: 9, showHidden: true }),
      Object.values(key).join(),
    ]) {
      assert.doesNotMatch(printed, /abab|171/)
    }
  }
})

test('an error does not repeat the text, which may be a private key', () => {
  const secret = `privkey:${'ab'.repeat(32)}`
  for (const parse of [
    parseNodeKey,
    (t: string) => PrivateKey.parse(`${t}x`),
    (t: string) => LockPrivateKey.parse(t),
  ]) {
    assert.throws(
      () => parse(secret),
      (e) => e instanceof MeshError && e.code === 'key/malformed' && !e.message.includes('abab'),
    )
  }
})

test('a zero key is told from others', () => {
  assert.ok(isZeroKey(nodeKeyOf(new Uint8Array(32))))
  assert.equal(isZeroKey(nodeKeyOf(new Uint8Array(32).fill(1, 31))), false)
})

test('keys of another length are not written', () => {
  for (const length of [0, 31, 33]) assert.throws(() => nodeKeyOf(new Uint8Array(length)), { code: 'key/malformed' })
})

test('a stranger’s text is a key in canonical form, or none', () => {
  const readers = [readMachineKey, readNodeKey, readDiscoKey, readChallengeKey, readLockKey]
  const nearly = fc.tuple(
    fc.constantFrom('mkey:', 'nodekey:', 'nlpub:', 'tlpub:', ''),
    fc.stringMatching(/^[0-9a-fA-Fg]{63,65}$/),
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        nearly.map((parts) => parts.join('')),
      ),
      (text) => {
        for (const read of readers) {
          const key = read(text)
          if (key !== undefined) assert.equal(read(key), key)
        }
        readAttestationKey(text)
      },
    ),
  )
})
