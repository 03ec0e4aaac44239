/**
 * The system calls that packets need, and the errors they give. Numbers are Linux's own, the same on x64 and arm64.
 *
 * A call gives a number below zero when it fails; `failure` says what the kernel had against it.
 */

import { constants } from 'node:os'
import { getSystemErrorMessage } from 'node:util'
import { MeshError } from '../../base/errors.ts'
import { lastError, nativeFunctions } from '../../crypto/io/raw-memory.ts'
import type { Address } from '../../crypto/io/raw-memory.ts'

export interface Kernel {
  open(path: string, flags: number): number
  close(fd: number): number
  ioctl(fd: number, request: number, at: Address | number): number
  read(fd: number, at: Address, length: number): number
  write(fd: number, at: Address, length: number): number
  socket(family: number, type: number, protocol: number): number
  bind(fd: number, address: Address, length: number): number
  getsockname(fd: number, address: Address, length: Address): number
  setsockopt(fd: number, level: number, option: number, value: Address, length: number): number
  sendmsg(fd: number, message: Address, flags: number): number
  recvmsg(fd: number, message: Address, flags: number): number
  poll(entries: Address, count: number, timeoutMs: number): number
  eventfd(value: number, flags: number): number
  flock(fd: number, operation: number): number
}

const PROTOTYPES: { readonly [Name in keyof Kernel]: string } = {
  open: 'int open(const char *path, int flags, ...)',
  close: 'int close(int fd)',
  ioctl: 'int ioctl(int fd, unsigned long request, int64_t at)',
  read: 'int64_t read(int fd, int64_t at, size_t length)',
  write: 'int64_t write(int fd, int64_t at, size_t length)',
  socket: 'int socket(int family, int type, int protocol)',
  bind: 'int bind(int fd, int64_t address, int length)',
  getsockname: 'int getsockname(int fd, int64_t address, int64_t length)',
  setsockopt: 'int setsockopt(int fd, int level, int option, int64_t value, int length)',
  sendmsg: 'int64_t sendmsg(int fd, int64_t message, int flags)',
  recvmsg: 'int64_t recvmsg(int fd, int64_t message, int flags)',
  poll: 'int poll(int64_t entries, unsigned long count, int timeoutMs)',
  eventfd: 'int eventfd(unsigned int value, int flags)',
  flock: 'int flock(int fd, int operation)',
}

interface Waiting {
  async(entries: Address, count: number, timeoutMs: number, done: (error: unknown, result: number) => void): void
}

let loaded: Kernel | undefined

/** @throws Error where raw memory is not to be had: another system than Linux on 64 bits, or no koffi */
export function kernel(): Kernel {
  loaded ??= nativeFunctions<Kernel>(PROTOTYPES)
  return loaded
}

/**
 * `poll` in a thread of the pool, so that the event loop goes on. The entries belong to it until it is done: when
 * there is something, or after `timeoutMs`. While it waits the process does not end: give it something to wake it by.
 */
export function pollAside(entries: Address, count: number, timeoutMs: number): Promise<number> {
  const { poll } = kernel() as unknown as { readonly poll: Waiting }
  return new Promise((resolve, reject) => {
    poll.async(entries, count, timeoutMs, (error, result) => {
      if (error === null || error === undefined) resolve(result)
      else reject(error instanceof Error ? error : new Error('Cannot wait aside'))
    })
  })
}

export const O_RDWR = 2
export const SOCK_DGRAM = 2
export const O_NONBLOCK = 0o4000
export const O_CLOEXEC = 0o2000000

export const EAGAIN = constants.errno.EAGAIN
export const EINTR = constants.errno.EINTR
export const EBADF = constants.errno.EBADF
export const EIO = constants.errno.EIO
export const EINVAL = constants.errno.EINVAL

/** What went wrong in the last call, as an error that says what was attempted. */
export function failure(what: string): MeshError {
  const code = lastError()
  return new MeshError('system/refused', `Cannot ${what}: ${getSystemErrorMessage(-code) ?? `error ${code}`}`)
}

/** The result of a call, unless it failed. */
export function done(result: number, what: string): number {
  if (result < 0) throw failure(what)
  return result
}
