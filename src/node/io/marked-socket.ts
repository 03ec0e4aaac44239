/**
 * TCP sockets that routing can tell apart from what other programs send (`SO_MARK`): a relay's packets carry the
 * tunnel's, so they must never go into it (node.md §4.2). The mark has to be there before the first packet is.
 */

import { Socket } from 'node:net'
import type { SocketConstructorOpts } from 'node:net'
import type { Family } from '../../base/ip.ts'
import { Arena } from '../../crypto/io/raw-memory.ts'
import { done, failure, kernel, O_CLOEXEC, O_NONBLOCK } from './kernel.ts'
import { AF_INET, AF_INET6 } from './socket-address.ts'

/** From Linux's socket.h. */
const SOCK_STREAM = 1
const SOL_SOCKET = 1
const SO_MARK = 36

let shared: Arena | undefined

/**
 * A socket of a family that is not connected yet, and marked.
 *
 * @throws MeshError `system/refused` where marking is not permitted, or there is no such family
 */
export function markedSocket(family: Family, mark: number): Socket {
  const k = kernel()
  shared ??= new Arena(64)
  const domain = family === 4 ? AF_INET : AF_INET6
  const fd = done(k.socket(domain, SOCK_STREAM | O_NONBLOCK | O_CLOEXEC, 0), `open a TCP socket for IPv${family}`)
  shared.put(0, new Uint8Array(Int32Array.of(mark).buffer))
  if (mark !== 0 && k.setsockopt(fd, SOL_SOCKET, SO_MARK, shared.address(0, 4), 4) < 0) {
    const error = failure('mark what a TCP socket sends')
    k.close(fd)
    throw error
  }
  // Without `manualStart` Node reads at once from any descriptor it is given, and this one has no connection yet.
  return new Socket({ fd, manualStart: true } as SocketConstructorOpts)
}
