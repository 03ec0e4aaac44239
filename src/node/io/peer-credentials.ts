/** Who is at the other end of a Unix socket, as the kernel says: `SO_PEERCRED` of Linux. */

import type { Socket } from 'node:net'
import { Arena, nativeFunctions } from '../../crypto/io/raw-memory.ts'
import type { Address } from '../../crypto/io/raw-memory.ts'

/** The user ID at the other end; `undefined` when the kernel would not say. */
export type PeerUid = (socket: Socket) => number | undefined

interface Libc {
  getsockopt(fd: number, level: number, option: number, value: Address, length: Address): number
}

/** From the Linux headers, where `struct ucred` is three numbers of 32 bits: process, user, group. */
const SOL_SOCKET = 1
const SO_PEERCRED = 17
const CREDENTIALS_BYTES = 12
const LENGTH_AT = 16

let reader: PeerUid | undefined

/** @throws Error where this can't be asked: another system than Linux on 64 bits, or no koffi */
export function peerUidReader(): PeerUid {
  return (reader ??= makeReader())
}

function makeReader(): PeerUid {
  const libc = nativeFunctions<Libc>({
    getsockopt: 'int getsockopt(int fd, int level, int option, int64_t value, int64_t length)',
  })
  const arena = new Arena(LENGTH_AT + 4)
  const credentials = arena.address(0, CREDENTIALS_BYTES)
  const length = arena.address(LENGTH_AT, 4)
  return (socket) => {
    const fd = descriptorOf(socket)
    if (fd === undefined) return undefined
    arena.put(LENGTH_AT, Uint8Array.of(CREDENTIALS_BYTES, 0, 0, 0))
    if (libc.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials, length) !== 0) return undefined
    if (arena.int32(LENGTH_AT) !== CREDENTIALS_BYTES) return undefined
    // Where the other end is in another user namespace the kernel says 65534, which is nobody of ours.
    return arena.int32(4) >>> 0
  }
}

/** Node keeps the descriptor to itself; its handle has had this name since there are sockets in it. */
function descriptorOf(socket: Socket): number | undefined {
  const fd = (socket as unknown as { _handle?: { fd?: unknown } | null })._handle?.fd
  return typeof fd === 'number' && fd >= 0 ? fd : undefined
}
