/** UDP through the kernel: many datagrams in one call, of both families, and hostile lengths. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseAddressPort } from '../../base/ip.ts'
import type { AddressPort } from '../../base/ip.ts'
import { Arena } from '../../crypto/io/raw-memory.ts'
import { decodeSocketAddress, encodeSocketAddress } from './socket-address.ts'
import { MAILBOX, Mailbox, openUdp } from './udp.ts'

const onLinux = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch)
const skip = !onLinux && 'system calls are made on Linux only'
const addressPort = (text: string) => parseAddressPort(text) as AddressPort

test('addresses of sockets, byte by byte', () => {
  const rows = [
    ['192.0.2.1:41641', '0200a2a9c00002010000000000000000'],
    ['[2001:db8::1]:3478', '0a000d960000000020010db800000000000000000000000100000000'],
  ] as const
  for (const [text, bytes] of rows) {
    assert.equal(encodeSocketAddress(addressPort(text)).toHex(), bytes)
    assert.deepEqual(decodeSocketAddress(Uint8Array.fromHex(bytes)), addressPort(text))
  }
  for (let length = 0; length < 28; length++)
    assert.equal(decodeSocketAddress(Uint8Array.fromHex(rows[1][1]).subarray(0, length)), undefined)
  assert.equal(decodeSocketAddress(new Uint8Array(28)), undefined)
})

/** Receives until there is nothing more; one entry a datagram. */
function receiveAll(fd: number, arena: Arena, mailbox: Mailbox): { text: string; from: AddressPort | undefined }[] {
  const got: { text: string; from: AddressPort | undefined }[] = []
  for (;;) {
    const length = mailbox.receive(fd, 4096, 60_000)
    if (length < 0) return got
    for (let at = 0; at < length; at += mailbox.segment)
      got.push({
        text: Buffer.from(arena.take(4096 + at, Math.min(mailbox.segment, length - at))).toString(),
        from: mailbox.from,
      })
  }
}

for (const plain of [false, true]) {
  describe(plain ? 'a datagram a call' : 'many datagrams a call', { skip }, () => {
    for (const [family, host] of [
      [4, '127.0.0.1'],
      [6, '[::1]'],
    ] as const) {
      test(`over IPv${family} they arrive one by one, and say where they are from`, () => {
        const [a, b] = [openUdp({ family, port: 0, plain }), openUdp({ family, port: 0, plain })]
        const arena = new Arena(65_536)
        const mailbox = new Mailbox(arena, 128)
        try {
          assert.ok(a.port > 0 && a.port !== b.port)
          const texts = Array.from({ length: 20 }, (_, i) => `datagram ${String(i).padStart(4, '0')}`)
          texts.push('short')
          const all = texts.join('')
          arena.put(4096, new TextEncoder().encode(all))
          mailbox.address(addressPort(`${host}:${b.port}`))
          const size = texts[0]?.length ?? 0
          if (plain)
            for (let at = 0; at < all.length; at += size)
              mailbox.send(a.fd, 4096 + at, Math.min(size, all.length - at), size)
          else assert.equal(mailbox.send(a.fd, 4096, all.length, size), all.length)
          const got = receiveAll(b.fd, arena, mailbox)
          assert.deepEqual(
            got.map(({ text }) => text),
            texts,
          )
          for (const { from } of got) assert.deepEqual(from, addressPort(`${host}:${a.port}`))
        } finally {
          a.close()
          b.close()
        }
      })
    }
  })
}

test('a port that is taken is refused with the reason, and nothing stays open', { skip }, () => {
  const first = openUdp({ family: 4, port: 0 })
  try {
    assert.throws(
      () => openUdp({ family: 4, port: first.port }),
      /Cannot open a UDP socket for IPv4 on port \d+: .*in use/,
    )
  } finally {
    first.close()
  }
  openUdp({ family: 4, port: first.port }).close()
})

test('places outside of the arena reach no system call', { skip }, () => {
  const socket = openUdp({ family: 4, port: 0 })
  const arena = new Arena(65_536)
  const mailbox = new Mailbox(arena, 0)
  mailbox.address(addressPort('127.0.0.1:9'))
  try {
    for (const [at, length] of [
      [-1, 10],
      [65_530, 10],
      [0, 65_537],
      [NaN, 1],
      [0, -1],
      [0.5, 1],
    ] as const) {
      assert.throws(() => mailbox.send(socket.fd, at, length, 1), RangeError)
      assert.throws(() => mailbox.receive(socket.fd, at, length), RangeError)
    }
    assert.throws(() => new Mailbox(arena, 65_536 - MAILBOX + 1), RangeError)
  } finally {
    socket.close()
  }
})
