/**
 * Tells a service manager how this program is doing, as sd_notify(3) does: one datagram to the socket that it named in
 * NOTIFY_SOCKET. Node has no such datagrams, so this stands beside the door to raw memory, which all programs may use.
 */

import { Arena, lastError, nativeFunctions } from './raw-memory.ts'
import type { Address } from './raw-memory.ts'

interface Libc {
  socket(family: number, type: number, protocol: number): number
  sendto(fd: number, bytes: Address, length: number, flags: number, to: Address, toLength: number): number
  close(fd: number): number
}

/** From the Linux headers; the same on x64 and arm64. */
const AF_UNIX = 1
const SOCK_DGRAM = 2
const SOCK_CLOEXEC = 0o2000000
const MSG_NOSIGNAL = 0x4000
/** `struct sockaddr_un`: the family in two bytes, then the path. */
const PATH_AT = 2
const PATH_BYTES = 108
const WORDS_AT = PATH_AT + PATH_BYTES
const WORDS_BYTES = 256

export type ServiceState = 'READY=1' | 'STOPPING=1'

/**
 * Says it to whoever started this program, if that is a service manager that wants to know.
 *
 * @param socket what NOTIFY_SOCKET says: a path, or `@` and a name that is in no folder
 * @returns what went wrong; a program that can't say that it is ready runs all the same
 */
export function tellServiceManager(
  state: ServiceState,
  socket = process.env['NOTIFY_SOCKET'] ?? '',
): string | undefined {
  if (socket === '') return undefined
  const wrong = (why: string): string => `Cannot tell the service manager ${state} at ${socket}: ${why}`
  if (!/^[/@]./.test(socket)) return wrong('want a path, or "@" and a name')
  try {
    const libc = nativeFunctions<Libc>({
      socket: 'int socket(int family, int type, int protocol)',
      sendto: 'int64_t sendto(int fd, int64_t bytes, size_t length, int flags, int64_t to, unsigned int toLength)',
      close: 'int close(int fd)',
    })
    const arena = new Arena(WORDS_AT + WORDS_BYTES)
    arena.put(0, Uint8Array.of(AF_UNIX, 0))
    // A path may fill its room; the kernel takes the length for what it is.
    const path = arena.putText(PATH_AT, PATH_BYTES, socket)
    if (path === undefined) return wrong(`its name is longer than ${PATH_BYTES} bytes`)
    if (socket.startsWith('@')) arena.put(PATH_AT, Uint8Array.of(0))
    const words = arena.putText(WORDS_AT, WORDS_BYTES, state) ?? 0
    const fd = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)
    if (fd < 0) return wrong(`no socket (error ${lastError()})`)
    const to = arena.address(0, PATH_AT + path)
    const sent = libc.sendto(fd, arena.address(WORDS_AT, words), words, MSG_NOSIGNAL, to, PATH_AT + path)
    const error = sent < 0 ? lastError() : 0
    libc.close(fd)
    return error === 0 ? undefined : wrong(`error ${error}`)
  } catch (error) {
    return wrong((error as Error).message)
  }
}
