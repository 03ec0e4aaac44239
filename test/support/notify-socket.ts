/** The service manager's end of NOTIFY_SOCKET: a datagram socket that a test binds, and reads what programs told it. */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Arena, nativeFunctions } from '../../src/crypto/io/raw-memory.ts'
import type { Address } from '../../src/crypto/io/raw-memory.ts'

interface Libc {
  socket(family: number, type: number, protocol: number): number
  bind(fd: number, address: Address, length: number): number
  recv(fd: number, bytes: Address, length: number, flags: number): number
  close(fd: number): number
}
const AF_UNIX = 1
const SOCK_DGRAM_CLOEXEC = 0o2000002
const MSG_DONTWAIT = 0x40
const MOST_BYTES = 256

export class NotifySocket implements Disposable {
  /** For NOTIFY_SOCKET. */
  readonly path: string
  readonly #folder: string | undefined
  readonly #libc = nativeFunctions<Libc>({
    socket: 'int socket(int family, int type, int protocol)',
    bind: 'int bind(int fd, int64_t address, unsigned int length)',
    recv: 'int64_t recv(int fd, int64_t bytes, size_t length, int flags)',
    close: 'int close(int fd)',
  })
  readonly #arena = new Arena(MOST_BYTES)
  readonly #fd: number

  /** @param abstract a name that begins with `@`, which is in no folder; without it, a file of its own */
  constructor(abstract?: string) {
    this.#folder = abstract === undefined ? mkdtempSync(join(tmpdir(), 'sett-notify-')) : undefined
    this.path = abstract ?? join(this.#folder ?? '', 'socket')
    this.#arena.put(0, Uint8Array.of(AF_UNIX, 0))
    const length = this.#arena.putText(2, 108, this.path.replace(/^@/, '\0')) ?? 0
    this.#fd = this.#libc.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0)
    assert.equal(this.#libc.bind(this.#fd, this.#arena.address(0, 2 + length), 2 + length), 0)
  }

  /** What came next; `undefined` when nothing has. */
  read(): string | undefined {
    const length = this.#libc.recv(this.#fd, this.#arena.address(0, MOST_BYTES), MOST_BYTES, MSG_DONTWAIT)
    return length < 0 ? undefined : new TextDecoder().decode(this.#arena.take(0, length))
  }

  /** Waits for what comes next. */
  async next(): Promise<string> {
    for (let tries = 0; tries < 400; tries += 1) {
      const said = this.read()
      if (said !== undefined) return said
      await pause(50)
    }
    throw new Error('nobody told the service manager anything')
  }

  [Symbol.dispose](): void {
    this.#libc.close(this.#fd)
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true })
  }
}
