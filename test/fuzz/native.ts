/**
 * Every way into raw memory, the kernel and OpenSSL, called with places and lengths that lie. Runs in a process of its
 * own (native.test.ts): whatever is not refused would end it, or write over what stands at the end of each buffer.
 *
 * Prints `refused N`, the number of calls, when it has come to its end.
 */

import assert from 'node:assert/strict'
import { EvpInPlace, CIPHER_BYTES } from '../../src/crypto/io/evp-in-place.ts'
import { BARE_CIPHER_BYTES, BareInPlace } from '../../src/crypto/io/bare-in-place.ts'
import { ARENA_LENGTH, makeEvpChacha } from '../../src/crypto/io/evp-chacha.ts'
import { nodeChacha } from '../../src/crypto/io/node-chacha.ts'
import { NodeInPlace } from '../../src/crypto/io/node-in-place.ts'
import { nodePrimitives } from '../../src/crypto/io/node-primitives.ts'
import { Arena } from '../../src/crypto/io/raw-memory.ts'
import { PrivateKey } from '../../src/base/keys.ts'
import { MeshError } from '../../src/base/errors.ts'
import { openTun } from '../../src/node/io/tun.ts'
import { BURST_MOST, Mailbox, MAILBOX, openUdp } from '../../src/node/io/udp.ts'
import { encodeSocketAddress, SOCKET_ADDRESS } from '../../src/node/io/socket-address.ts'

/** Of whole pages, however large those are: arenas are rounded up to them. */
const SIZE = 65_536
/** Places and lengths as they may come out of a computation gone wrong. */
const LIES: readonly number[] = [
  -1,
  -16,
  -(2 ** 31),
  -(2 ** 53),
  0.5,
  NaN,
  Infinity,
  -Infinity,
  2 ** 31,
  2 ** 32,
  2 ** 32 + 1,
  2 ** 53,
  2 ** 53 - 1,
  2 ** 63,
  SIZE + 1,
  SIZE * 4,
  SIZE * 1024 * 1024,
]
/** What is no number at all. */
const STRANGERS = [undefined, null, '1', 1n, {}, [], true] as unknown as readonly number[]

let refused = 0

/** The call must be refused by an error that says so, and not by a type that happens not to fit. */
function refuses(what: string, call: () => unknown): void {
  assert.throws(
    call,
    (error: unknown) => error instanceof RangeError || error instanceof MeshError || isOurTypeError(error),
    what,
  )
  refused++
}

/** A TypeError of the runtime itself, which never came to the native function. */
function isOurTypeError(error: unknown): boolean {
  return error instanceof TypeError
}

/** Refused, or done within the buffer: `at` and `length` that are both good are no lies. */
function tried(call: () => unknown): void {
  try {
    call()
  } catch (error) {
    assert.ok(
      error instanceof RangeError || error instanceof TypeError || error instanceof MeshError || error instanceof Error,
    )
  }
  refused++
}

function detached(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
  return bytes
}

// Arenas.

const arena = new Arena(SIZE)
const bytes = new Uint8Array(64).fill(1)
for (const lie of [...LIES, ...STRANGERS]) {
  refuses(`address(${String(lie)})`, () => arena.address(lie, 16))
  refuses(`address(0, ${String(lie)})`, () => arena.address(0, lie))
  refuses(`put(${String(lie)})`, () => arena.put(lie, bytes))
  refuses(`take(${String(lie)})`, () => arena.take(lie, 16))
  refuses(`take(0, ${String(lie)})`, () => arena.take(0, lie))
  refuses(`takeInto(${String(lie)})`, () => arena.takeInto(lie, 16, bytes, 0))
  refuses(`takeInto(0, ${String(lie)})`, () => arena.takeInto(0, lie, bytes, 0))
  refuses(`takeInto(0, 16, …, ${String(lie)})`, () => arena.takeInto(0, 16, bytes, lie))
  refuses(`int32(${String(lie)})`, () => arena.int32(lie))
  refuses(`wipe(${String(lie)})`, () => arena.wipe(lie, 1))
  refuses(`wipe(0, ${String(lie)})`, () => arena.wipe(0, lie))
  refuses(`putText(${String(lie)})`, () => arena.putText(lie, 8, 'text'))
  refuses(`putText(0, ${String(lie)})`, () => arena.putText(0, lie, 'text'))
}
for (const [at, length] of [
  [SIZE, 1],
  [SIZE - 1, 2],
  [SIZE - 16, 17],
  [1, SIZE],
  [2 ** 52, 2 ** 52],
] as const) {
  refuses('past the end', () => arena.address(at, length))
  refuses('past the end', () => arena.put(at, new Uint8Array(Math.min(length, 1 << 20))))
  refuses('past the end', () => arena.wipe(at, length))
}
refuses('more than the array holds', () => arena.takeInto(0, 65, bytes, 0))
refuses('more than the array holds', () => arena.takeInto(0, 64, bytes, 1))
refuses('a detached array', () => arena.takeInto(0, 1, detached(16), 0))
refuses('a detached array', () => arena.put(0, detached(16)))
// Nothing is nowhere.
arena.put(SIZE, new Uint8Array(0))
for (const room of [-1, NaN, Infinity, 2 ** 53, -(2 ** 40), 1.5e15]) {
  assert.throws(() => new Arena(room), Error, `an arena of ${room} bytes`)
  refused++
}

// Ciphers in place.

const [evpArena, bareArena, plain] = [new Arena(SIZE), new Arena(SIZE), new Uint8Array(SIZE)]
const key = new Uint8Array(32).fill(7)
const OWN_AT = evpArena.size - CIPHER_BYTES
const ciphers = [
  { cipher: new EvpInPlace(evpArena, OWN_AT), size: evpArena.size },
  { cipher: new BareInPlace(bareArena, (bareArena.size - BARE_CIPHER_BYTES) & ~15), size: bareArena.size },
  { cipher: new NodeInPlace(plain), size: SIZE },
]
for (const { cipher, size } of ciphers) {
  for (const lie of [...LIES, ...STRANGERS]) {
    refuses(`seal at ${String(lie)}`, () => cipher.sealAt(key, 1, lie, 16))
    // Elsewhere too, where what is negative would still be within.
    for (const place of [0, 64, 66]) refuses(`seal ${String(lie)} bytes`, () => cipher.sealAt(key, 1, place, lie))
    refuses(`open at ${String(lie)}`, () => cipher.openAt(key, 0, 1, lie, 32))
    tried(() => assert.equal(cipher.openAt(key, 0, 1, 0, lie), false))
    tried(() => cipher.sealAt(key, lie, 0, 16))
    tried(() => cipher.openAt(key, lie, lie, 0, 32))
  }
  refuses('the tag does not fit', () => cipher.sealAt(key, 1, size - 16, 1))
  refuses('past the end', () => cipher.openAt(key, 0, 1, size - 16, 17))
  for (const bad of [new Uint8Array(0), new Uint8Array(31), new Uint8Array(33), detached(32)])
    assert.throws(() => cipher.sealAt(bad, 1, 0, 16), Error)
}
for (const at of [-1, OWN_AT + 1, SIZE * 16, NaN]) {
  assert.throws(() => new EvpInPlace(evpArena, at), Error, `a cipher's own place at ${at}`)
  refused++
}

// OpenSSL by copies.

const chacha = makeEvpChacha(nodeChacha, new Arena(ARENA_LENGTH))
const nonce = new Uint8Array(12)
const lengths = [0, 1, 15, 16, 17, 4096, 4097, 65_535, 65_536, 65_537, 200_000]
for (const length of lengths)
  for (const ad of [0, 1, 4096, 4097]) {
    const clear = new Uint8Array(length).fill(length & 255)
    const into = new Uint8Array(length + 16 + 8).fill(0xcd)
    chacha.seal(key, nonce, new Uint8Array(ad), clear, into, 4)
    assert.ok(
      [...into.subarray(0, 4), ...into.subarray(-4)].every((b) => b === 0xcd),
      'written beside its place',
    )
    const opened = chacha.open(key, nonce, new Uint8Array(ad), into.subarray(4, -4))
    assert.ok(opened !== undefined && opened.length === length && opened.every((byte) => byte === (length & 255)))
  }
for (const lie of [...LIES, ...STRANGERS])
  refuses(`seal to ${String(lie)}`, () => chacha.seal(key, nonce, new Uint8Array(0), bytes, new Uint8Array(100), lie))
for (const length of [0, 11, 13]) {
  assert.throws(() => chacha.seal(key, new Uint8Array(length), new Uint8Array(0), bytes, new Uint8Array(100), 0), Error)
  assert.throws(() => chacha.open(key, new Uint8Array(length), new Uint8Array(0), bytes), Error)
}
assert.throws(() => chacha.seal(key, nonce, new Uint8Array(0), bytes, new Uint8Array(79), 0), Error)
assert.throws(() => chacha.seal(detached(32), nonce, new Uint8Array(0), bytes, new Uint8Array(100), 0), Error)
for (const length of [0, 1, 31, 33, 64])
  assert.equal(nodePrimitives.x25519(PrivateKey.clamped(key), new Uint8Array(length)), undefined)
assert.equal(nodePrimitives.x25519(PrivateKey.clamped(key), detached(32)), undefined)

// Sockets and devices.

const mailArena = new Arena(SIZE)
for (const at of [-1, mailArena.size - MAILBOX + 1, NaN, 2 ** 40]) {
  assert.throws(() => new Mailbox(mailArena, at), Error, `a mailbox at ${at}`)
  refused++
}
const mailbox = new Mailbox(mailArena, 0)
const socket = openUdp({ family: 4, port: 0, plain: true })
const at = MAILBOX
mailbox.addressEncoded(encodeSocketAddress({ ip: { family: 4, value: 0x7f00_0001n }, port: socket.port }))
for (const lie of [...LIES, ...STRANGERS]) {
  refuses(`send from ${String(lie)}`, () => mailbox.send(socket.fd, lie, 16, 16))
  refuses(`send ${String(lie)} bytes`, () => mailbox.send(socket.fd, at, lie, 16))
  refuses(`receive at ${String(lie)}`, () => mailbox.receive(socket.fd, lie, 16))
  refuses(`receive ${String(lie)} bytes`, () => mailbox.receive(socket.fd, at, lie))
  // Whatever is said of how it is divided, no more is sent than what was named.
  tried(() => mailbox.send(socket.fd, at, 64, lie))
}
refuses('past the end', () => mailbox.send(socket.fd, mailArena.size - 8, 16, 16))
refuses('past the end', () => mailbox.receive(socket.fd, mailArena.size - 8, 16))
refuses('an address too long', () => mailbox.addressEncoded(new Uint8Array(SOCKET_ADDRESS + 1)))
tried(() => mailbox.send(socket.fd, at, Math.min(BURST_MOST, mailArena.size - at), 1))
tried(() => mailbox.noteSource(new Uint32Array(0)))
for (const fd of [-1, -(2 ** 31), 1 << 30, 2 ** 31 - 1]) {
  assert.ok(mailbox.send(fd, at, 16, 16) < 0)
  assert.ok(mailbox.receive(fd, at, 16) < 0)
}
socket.close()
for (const port of [-1, 65_536, 0.5, NaN, 2 ** 40]) tried(() => openUdp({ family: 4, port }).close())
for (const name of ['', 'a'.repeat(16), 'a/b', '..', 'a\0b', 'a b', '😀', '\n']) refuses(name, () => openTun({ name }))

console.log(`refused ${refused}`)
