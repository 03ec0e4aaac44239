/** The Noise handshake, both sides, and its counters: golden vectors, changed bits, exhaustion. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { base64 } from '../base/bytes.ts'
import { machineKeyOf, PrivateKey } from '../base/keys.ts'
import type { MachineKey } from '../base/keys.ts'
import { decodeAnswer, decodeInitiation, encodeError, encodeInitiation, encodeResponse } from '../wire/noise-frame.ts'
import { INITIATION_LENGTH, sealRecords } from '../wire/noise-frame.ts'
import { bytes, golden } from '../../test/support/golden.ts'
import type { GoldenCase } from '../../test/support/golden.ts'
import { nodePrimitives as p } from './io/node-primitives.ts'
import { acceptInitiation, initiate } from './noise.ts'
import { NoiseReceiver, NoiseSender } from './noise-transport.ts'
import { generateKey, machineKeyFor } from './primitives.ts'

interface RecordCase {
  readonly nonce: number
  readonly clear: string
  readonly record: string
}

interface HandshakeCase extends GoldenCase {
  readonly version: number
  readonly client_static_private: string
  readonly client_static_public: string
  readonly server_static_private: string
  readonly server_static_public: string
  readonly client_ephemeral_private: string
  readonly server_ephemeral_private: string
  readonly initiation: string
  readonly header_value: string
  readonly response: string
  readonly handshake_hash: string
  readonly key_client_to_server: string
  readonly key_server_to_client: string
  readonly client_records: readonly RecordCase[]
  readonly server_records: readonly RecordCase[]
}

const privateKey = (text: string) => new PrivateKey(bytes(text))
const handshakes = golden<HandshakeCase>('noise.json', 'handshake')

for (const c of handshakes) {
  test(`golden: ${c.name}`, () => {
    const server = machineKeyOf(bytes(c.server_static_public))
    const begun = initiate(
      p,
      privateKey(c.client_static_private),
      server,
      c.version,
      privateKey(c.client_ephemeral_private),
    )
    assert.ok(begun !== undefined)
    const initiation = encodeInitiation(c.version, begun.message)
    assert.equal(initiation.toHex(), c.initiation)
    assert.equal(base64(initiation), c.header_value)

    const read = decodeInitiation(initiation)
    assert.ok(read.kind === 'initiation' && read.version === c.version)
    const [own, ephemeral] = [privateKey(c.server_static_private), privateKey(c.server_ephemeral_private)]
    const accepted = acceptInitiation(p, own, read.version, read.message, ephemeral)
    assert.ok(accepted !== undefined)
    assert.equal(encodeResponse(accepted.response).toHex(), c.response)
    assert.equal(accepted.machine, `mkey:${c.client_static_public}`)
    assert.equal(accepted.handshakeHash.toHex(), c.handshake_hash)

    const finished = begun.finish(accepted.response)
    assert.ok(finished !== undefined)
    assert.equal(finished.handshakeHash.toHex(), c.handshake_hash)

    for (const [from, to, key, records] of [
      [finished, accepted, c.key_client_to_server, c.client_records],
      [accepted, finished, c.key_server_to_client, c.server_records],
    ] as const) {
      const keyed = new NoiseSender(p.recordCipher(bytes(key)))
      for (const r of records) {
        assert.equal(sealRecords(from.sender, [bytes(r.clear)]).toHex(), r.record)
        assert.equal(sealRecords(keyed, [bytes(r.clear)]).toHex(), r.record)
        assert.equal(to.receiver.open(bytes(r.record).subarray(3))?.toHex(), r.clear)
      }
    }
  })
}

interface ServerAcceptCase extends GoldenCase {
  readonly server_static_private: string
  readonly server_ephemeral_private: string
  readonly initiation: string
  readonly given: 'from the request header' | 'from the stream'
  readonly written: string
}

for (const c of golden<ServerAcceptCase>('noise.json', 'server-accept')) {
  test(`golden: ${c.name}`, () => {
    // Sett's server takes initiations from the header only; from a stream it would wait for all of it and read no more.
    const sent = bytes(c.initiation)
    const fromStream = c.given === 'from the stream'
    if (fromStream && sent.length < INITIATION_LENGTH) return assert.equal(c.written, '')
    const read = decodeInitiation(fromStream ? sent.subarray(0, INITIATION_LENGTH) : sent)
    if (read.kind === 'refused') return assert.equal(encodeError(read.why).toHex(), c.written)
    const [own, ephemeral] = [privateKey(c.server_static_private), privateKey(c.server_ephemeral_private)]
    const accepted = acceptInitiation(p, own, read.version, read.message, ephemeral)
    assert.equal(accepted === undefined ? 'reject' : 'accept', c.expect)
    assert.equal(accepted === undefined ? '' : encodeResponse(accepted.response).toHex(), c.written)
  })
}

interface ClientAcceptCase extends GoldenCase {
  readonly response: string
  readonly why?: string
}

const appendixA = handshakes[0] as HandshakeCase
function beginAppendixA() {
  const { client_static_private, server_static_public, version, client_ephemeral_private } = appendixA
  const server = machineKeyOf(bytes(server_static_public))
  const begun = initiate(p, privateKey(client_static_private), server, version, privateKey(client_ephemeral_private))
  assert.ok(begun !== undefined)
  return begun
}

for (const c of golden<ClientAcceptCase>('noise.json', 'client-accept')) {
  test(`golden: ${c.name}`, () => {
    const answer = decodeAnswer(bytes(c.response))
    const session = answer.kind === 'response' ? beginAppendixA().finish(answer.message) : undefined
    assert.equal(session === undefined ? 'reject' : 'accept', c.expect)
    if (answer.kind === 'error') assert.match(String(c.why), /^server error/)
    if (answer.kind === 'incomplete') assert.match(String(c.why), /EOF/)
  })
}

test('a client meant for another server is not accepted, nor is another server by the client', () => {
  const [client, server, other] = [generateKey(p.random), generateKey(p.random), generateKey(p.random)]
  const begun = initiate(p, client, machineKeyFor(p, server), 113)
  assert.ok(begun !== undefined)
  assert.equal(acceptInitiation(p, other, 113, begun.message), undefined)
  const forOther = initiate(p, client, machineKeyFor(p, other), 113)
  assert.ok(forOther !== undefined)
  const accepted = acceptInitiation(p, other, 113, forOther.message)
  assert.ok(accepted !== undefined)
  assert.equal(begun.finish(accepted.response), undefined)
})

test('a server key of low order is no server', () => {
  const zero: MachineKey = `mkey:${'00'.repeat(32)}`
  assert.equal(initiate(p, generateKey(p.random), zero, 113), undefined)
})

test('whatever bit is changed on the way, the handshake fails', () => {
  const [client, server] = [generateKey(p.random), generateKey(p.random)]
  const begun = initiate(p, client, machineKeyFor(p, server), 113)
  assert.ok(begun !== undefined)
  for (let i = 0; i < begun.message.length; i++) {
    const bent = begun.message.slice()
    // Bit 0: curve points are read without their topmost bit, but the transcript holds every one.
    bent[i] = (bent[i] as number) ^ (i === 31 ? 0x80 : 1)
    assert.equal(acceptInitiation(p, server, 113, bent), undefined, `byte ${i}`)
  }
})

test('a stranger’s bytes are no handshake, and never throw', () => {
  const server = generateKey(p.random)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 110 }), fc.nat(0xffff), (noise, version) => {
      assert.equal(acceptInitiation(p, server, version, noise), undefined)
    }),
  )
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 96, maxLength: 96 }), (noise) => {
      assert.equal(acceptInitiation(p, server, 113, noise), undefined)
      assert.equal(beginAppendixA().finish(noise.subarray(48)), undefined)
    }),
    { numRuns: 30 },
  )
})

const key = bytes(appendixA.key_client_to_server)

test('counters are big-endian, carry into their upper half, and end before they wrap', () => {
  const cases = [
    { start: 1n, nonce: '000000000000000000000001' },
    { start: 0x1_0000_0000n, nonce: '000000000000000100000000' },
    { start: 0xffff_ffff_ffff_fffen, nonce: '00000000fffffffffffffffe' },
  ]
  for (const { start, nonce } of cases) {
    const sealed = new Uint8Array(21)
    new NoiseSender(p.recordCipher(key), start).sealInto(new Uint8Array(5), sealed, 0)
    assert.equal(sealed.toHex(), p.chachaSeal(key, bytes(nonce), new Uint8Array(0), new Uint8Array(5)).toHex())
    assert.equal(new NoiseReceiver(p.recordCipher(key), start).open(sealed)?.length, 5)
  }

  const sender = new NoiseSender(p.recordCipher(key), 0xffff_fffen)
  const receiver = new NoiseReceiver(p.recordCipher(key), 0xffff_fffen)
  for (let i = 0; i < 4; i++) {
    const sealed = new Uint8Array(17)
    sender.sealInto(new Uint8Array([i]), sealed, 0)
    assert.deepEqual([...(receiver.open(sealed) ?? [])], [i])
  }
})

test('the last counter value seals and opens nothing', () => {
  const last = 0xffff_ffff_ffff_ffffn
  const sender = new NoiseSender(p.recordCipher(key), last - 1n)
  const receiver = new NoiseReceiver(p.recordCipher(key), last - 1n)
  const sealed = new Uint8Array(17)
  sender.sealInto(new Uint8Array(1), sealed, 0)
  assert.notEqual(receiver.open(sealed), undefined)
  for (let i = 0; i < 2; i++)
    assert.throws(() => sender.sealInto(new Uint8Array(1), sealed, 0), { code: 'noise/failed' })
  const forged = p.chachaSeal(key, bytes('00000000ffffffffffffffff'), new Uint8Array(0), new Uint8Array(1))
  assert.equal(receiver.open(forged), undefined)
})

test('a record that does not open ends the receiver for good', () => {
  const sender = new NoiseSender(p.recordCipher(key))
  const receiver = new NoiseReceiver(p.recordCipher(key))
  const [good, bent] = [new Uint8Array(17), new Uint8Array(17)]
  sender.sealInto(new Uint8Array(1), good, 0)
  assert.equal(receiver.open(bent), undefined)
  assert.equal(receiver.open(good), undefined)
})
