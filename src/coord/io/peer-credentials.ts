/**
 * Who is at the other end of a Unix socket, as the kernel says.
 *
 * Node does not tell, so this asks `getsockopt(SO_PEERCRED)` on Linux and `getpeereid` on macOS and the BSDs.
 */

import { createRequire } from 'node:module'
import type { Socket } from 'node:net'

export interface Peer {
  readonly uid: number
  /** Its process, where the system tells: on Linux. */
  readonly pid?: number
}
/** Who is at the other end; `undefined` when the kernel would not say. */
export type ReadPeer = (socket: Socket) => Peer | undefined

type Native = (...args: readonly unknown[]) => number
interface Koffi {
  load(library: string | null): { func(prototype: string): Native }
}

/** From the Linux headers: `SOL_SOCKET`, `SO_PEERCRED`. */
const SOL_SOCKET = 1
const SO_PEERCRED = 17

/** @throws Error when this system can't tell who is at the other end */
export function peerReader(): ReadPeer {
  const koffi = createRequire(import.meta.url)('koffi') as Koffi
  const libc = koffi.load(null)
  if (process.platform === 'linux') {
    const getsockopt = libc.func(
      'int getsockopt(int fd, int level, int name, _Out_ uint8_t *value, _Inout_ uint32_t *length)',
    )
    return (socket) => {
      const fd = descriptor(socket)
      if (fd === undefined) return undefined
      // struct ucred: pid, uid, gid, 32 bits each.
      const credentials = Buffer.alloc(12)
      const length = [credentials.length]
      if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials, length) !== 0 || length[0] !== 12) return undefined
      return { uid: credentials.readUInt32LE(4), pid: credentials.readUInt32LE(0) }
    }
  }
  const getpeereid = libc.func('int getpeereid(int fd, _Out_ uint32_t *uid, _Out_ uint32_t *gid)')
  return (socket) => {
    const fd = descriptor(socket)
    const uid = [0]
    if (fd === undefined || getpeereid(fd, uid, [0]) !== 0) return undefined
    return { uid: uid[0] as number }
  }
}

/** Node keeps the descriptor to itself; its handle has had this name since there are sockets in it. */
function descriptor(socket: Socket): number | undefined {
  const fd = (socket as unknown as { _handle?: { fd?: unknown } })._handle?.fd
  return typeof fd === 'number' && fd >= 0 ? fd : undefined
}
