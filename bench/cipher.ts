/**
 * What sealing and opening one record costs: through OpenSSL's own calls, and through `node:crypto`, side by side.
 *
 *   node bench/cipher.ts [--seconds 0.3] [--json]
 *
 * Sizes are a full Noise record, a WireGuard packet of a common MTU and a short answer. The two take turns in short
 * rounds, and the best round of each counts: what else the machine does makes rounds slower, never faster. Making a
 * cipher for a key, which both do once a session, is not measured.
 */

import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { EMPTY } from '../src/base/bytes.ts'
import { chacha } from '../src/crypto/io/choose-chacha.ts'
import { nodeChacha } from '../src/crypto/io/node-chacha.ts'
import { CIPHER_BYTES, inPlaceCipher, TRIAL_BYTES } from '../src/crypto/io/choose-in-place.ts'
import { EvpInPlace } from '../src/crypto/io/evp-in-place.ts'
import { NodeInPlace } from '../src/crypto/io/node-in-place.ts'
import { nodePrimitives as p } from '../src/crypto/io/node-primitives.ts'
import { Arena } from '../src/crypto/io/raw-memory.ts'
import type { InPlaceCipher } from '../src/crypto/in-place.ts'
import { TAG_LENGTH } from '../src/crypto/primitives.ts'
import type { RecordCipher } from '../src/crypto/primitives.ts'
import { MAX_RECORD_PLAINTEXT } from '../src/wire/noise-frame.ts'

const { values: flags } = parseArgs({
  options: { seconds: { type: 'string', default: '0.3' }, json: { type: 'boolean', default: false } },
})
const SECONDS = Number(flags.seconds)
const ROUNDS = 7
const SIZES = [MAX_RECORD_PLAINTEXT, 1280, 100]

interface Row {
  readonly what: string
  readonly ownMicroseconds: number
  readonly nodeMicroseconds: number
  /** How many times longer Node's takes. */
  readonly ratio: number
}

if (chacha() === nodeChacha) console.error('OpenSSL cannot be called here: node:crypto stands beside itself')
const rows = [...SIZES.flatMap(measure), ...[1280, 100].flatMap(measureInPlace)]
if (flags.json) console.log(JSON.stringify({ rows }))
else print()

function measure(size: number): Row[] {
  const [key, nonce, plain] = [p.random(32), p.random(12), p.random(size)]
  const sealed = new Uint8Array(size + TAG_LENGTH)
  nodeChacha.seal(key, nonce, EMPTY, plain, sealed, 0)
  const into = new Uint8Array(size + TAG_LENGTH)
  const [own, node] = [chacha().recordCipher(key), nodeChacha.recordCipher(key)]
  const seal = (cipher: RecordCipher) => () => cipher.sealInto(nonce, plain, into, 0)
  const open = (cipher: RecordCipher) => () => {
    if (cipher.open(nonce, sealed)?.length !== size) throw new Error('A record does not open')
  }
  return [compare(`seal ${size} bytes`, seal(own), seal(node)), compare(`open ${size} bytes`, open(own), open(node))]
}

/** Packets where they lie: by bare ChaCha20 and Poly1305, and by EVP, each beside Node's. */
function measureInPlace(size: number): Row[] {
  if (chacha() === nodeChacha) return []
  const own = CIPHER_BYTES + TRIAL_BYTES
  const arena = new Arena(own + 64 + size + TAG_LENGTH)
  const bytes = new Uint8Array(arena.buffer)
  const at = own + 64
  const ciphers: readonly (readonly [string, InPlaceCipher])[] = [
    ['bare', inPlaceCipher(arena, 0, CIPHER_BYTES)],
    ['EVP', new EvpInPlace(arena, CIPHER_BYTES)],
  ]
  const key = p.random(32)
  const plain = new NodeInPlace(bytes)
  plain.sealAt(key, 5, at, size)
  const sealed = bytes.slice(at, at + size + TAG_LENGTH)
  const seal = (cipher: InPlaceCipher) => () => cipher.sealAt(key, 5, at, size)
  const open = (cipher: InPlaceCipher) => () => {
    bytes.set(sealed, at)
    if (!cipher.openAt(key, 0, 5, at, sealed.length)) throw new Error('A packet does not open')
  }
  return ciphers.flatMap(([name, cipher]) => [
    compare(`seal ${size} bytes in place, ${name}`, seal(cipher), seal(plain)),
    compare(`open ${size} bytes in place, ${name}`, open(cipher), open(plain)),
  ])
}

function compare(what: string, own: () => void, node: () => void): Row {
  let [ownBest, nodeBest] = [Infinity, Infinity]
  for (let round = 0; round < ROUNDS; round++) {
    ownBest = Math.min(ownBest, microseconds(own))
    nodeBest = Math.min(nodeBest, microseconds(node))
  }
  return { what, ownMicroseconds: ownBest, nodeMicroseconds: nodeBest, ratio: nodeBest / ownBest }
}

/** What one call takes, in the mean over a round. */
function microseconds(call: () => void): number {
  const roundMs = (SECONDS * 1000) / ROUNDS
  const began = performance.now()
  let calls = 0
  let ms = 0
  while (ms < roundMs) {
    for (let i = 0; i < 100; i++) call()
    calls += 100
    ms = performance.now() - began
  }
  return (ms * 1000) / calls
}

function print(): void {
  const table = new Table({
    head: ['one record', 'ours, µs', 'node:crypto, µs', 'ratio'],
    style: { head: [], border: [] },
    colAligns: ['left', 'right', 'right', 'right'],
  })
  for (const { what, ownMicroseconds, nodeMicroseconds, ratio } of rows)
    table.push([what, ownMicroseconds.toFixed(2), nodeMicroseconds.toFixed(2), `${ratio.toFixed(1)}×`])
  console.log(table.toString())
}
