/**
 * The one door to raw memory: arenas that native functions are let into, and the native functions themselves.
 *
 * An address is a bare number, and a wrong one ends the process or leaks what lies there. So nobody computes one:
 * an arena gives the address of a stretch only after it has checked that the stretch lies within, and the type
 * `Address` can be had in no other way. Arenas are mapped, not allocated: the collector neither moves nor frees
 * them. They live as long as the process, lie between pages that nobody may touch, and stay out of core dumps.
 *
 * What is called with the addresses, and that a function writes no further than it was told, is the caller's matter.
 */

import { createRequire } from 'node:module'

declare const checked: unique symbol
declare const opaque: unique symbol

/** Where a checked stretch of an arena begins. */
export type Address = number & { readonly [checked]: true }
/** What a native function gave to be handed back to its like: never looked into, never computed with. */
export type Handle = number & { readonly [opaque]: true }

/** The null pointer, for arguments that are left out. */
export const NULL = 0 as Address & Handle

interface Koffi {
  load(library: string | null): { func(prototype: string): unknown }
  view(address: number, length: number): ArrayBuffer
  address(buffer: ArrayBuffer): bigint
  errno(): number
}

let loaded: Koffi | undefined

/** @throws Error where raw memory is not to be had: another system than Linux on 64 bits, or no koffi */
function koffi(): Koffi {
  if (loaded !== undefined) return loaded
  // The numbers below and the width of an address are those of these systems.
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch))
    throw new Error(`Cannot reach raw memory: not on ${process.platform} ${process.arch}`)
  loaded = createRequire(import.meta.url)('koffi') as Koffi
  return loaded
}

/**
 * Functions of this process: of libc, and of the libraries that Node is linked with.
 *
 * @param prototypes in C. Pointers are to be written `int64_t`, so that they are plain numbers: a tenth of the
 *   cost of a Buffer. The types that callers see are `F`'s to give.
 * @throws Error when one of them doesn't exist here
 */
export function nativeFunctions<F extends object>(prototypes: { readonly [Name in keyof F]: string }): F {
  const library = koffi().load(null)
  const functions = Object.entries<string>(prototypes).map(([name, prototype]) => [name, library.func(prototype)])
  return Object.fromEntries(functions) as F
}

/** Why the last call to libc of this thread failed (`errno`); says nothing when it did not fail. */
export function lastError(): number {
  return koffi().errno()
}

/** From the Linux headers. */
const PROT_NONE = 0
const PROT_READ_WRITE = 3
const MAP_PRIVATE_ANONYMOUS = 0x22
/**
 * Below 2 GiB, which x64 alone has a flag for (arm64 looks past it). Addresses are then small integers, which cost the
 * engine no object each, and a call a fifth less.
 */
const MAP_32BIT = 0x40
const MAP_SHARED_FIXED = 0x11
const MADV_DONTDUMP = 16
const MFD_CLOEXEC = 1

const UTF8 = new TextEncoder()

/** As long as the largest page of the systems above, so a multiple of any. */
const GUARD_BYTES = 64 * 1024

interface Libc {
  mmap(at: number, length: number, protection: number, flags: number, fd: number, offset: number): unknown
  mprotect(at: number, length: number, protection: number): number
  madvise(at: number, length: number, advice: number): number
  memfd_create(name: string, flags: number): number
  ftruncate(fd: number, length: number): number
  close(fd: number): number
}

function libc(): Libc {
  return nativeFunctions<Libc>({
    mmap: 'int64_t mmap(int64_t at, size_t length, int protection, int flags, int fd, int64_t offset)',
    mprotect: 'int mprotect(int64_t at, size_t length, int protection)',
    madvise: 'int madvise(int64_t at, size_t length, int advice)',
    memfd_create: 'int memfd_create(const char *name, unsigned int flags)',
    ftruncate: 'int ftruncate(int fd, int64_t length)',
    close: 'int close(int fd)',
  })
}

function roundedUp(bytes: number): number {
  return Math.ceil(bytes / GUARD_BYTES) * GUARD_BYTES
}

/** Where so many bytes, rounded up, begin that lie between pages that nobody may touch. */
function map(atLeast: number): number {
  if (!Number.isSafeInteger(atLeast) || atLeast < 1) throw new RangeError('Cannot map an arena of this size')
  const size = roundedUp(atLeast)
  const at = reserve(size)
  if (libc().mprotect(at, size, PROT_READ_WRITE) !== 0) throw new Error('Cannot open an arena')
  return at
}

/** A stretch of addresses, with as many as a guard takes before and behind it: nothing may be touched. */
function reserve(size: number): number {
  const c = libc()
  const get = (flags: number): unknown => c.mmap(NULL, size + 2 * GUARD_BYTES, PROT_NONE, flags, -1, 0)
  const low = get(MAP_PRIVATE_ANONYMOUS | MAP_32BIT)
  // There is not always room below.
  const whole = typeof low === 'number' && low > 0 ? low : get(MAP_PRIVATE_ANONYMOUS)
  // Beyond 2^53 it would come as a bigint; Linux gives such addresses only to those who ask for them.
  if (typeof whole !== 'number' || whole <= 0) throw new Error('Cannot map an arena')
  return whole + GUARD_BYTES
}

/**
 * Gives bytes that WebAssembly chose the place of another place below as well, where native functions reach them: the
 * same pages are mapped twice. What was in them is lost.
 */
function mapAgain(buffer: ArrayBuffer): number {
  const c = libc()
  const { byteLength: size } = buffer
  const first = Number(koffi().address(buffer))
  const again = reserve(size)
  const fd = c.memfd_create('arena', MFD_CLOEXEC)
  try {
    const at = (place: number): unknown => c.mmap(place, size, PROT_READ_WRITE, MAP_SHARED_FIXED, fd, 0)
    if (fd < 0 || c.ftruncate(fd, size) !== 0 || at(again) !== again || at(first) !== first)
      throw new Error('Cannot map an arena twice')
  } finally {
    if (fd >= 0) c.close(fd)
  }
  keepFromDumps(first, size)
  return again
}

function keepFromDumps(at: number, size: number): void {
  // Kernels that can't do this are none the worse for it.
  libc().madvise(at, size, MADV_DONTDUMP)
}

/** Buffers whose addresses native functions may still have. */
const kept = new Set<ArrayBuffer>()

/** A stretch of raw memory. Its bytes go in and out as copies; every method throws RangeError for a place outside. */
export class Arena {
  readonly size: number
  readonly #base: number
  readonly #bytes: Uint8Array<ArrayBuffer>
  readonly #view: DataView

  /**
   * Maps an arena that is never unmapped: make few.
   *
   * @param room how many bytes at least; rounded up, so that the pages behind it that nobody may touch follow at once.
   *   Or the bytes themselves: the buffer of a WebAssembly memory that can't grow, which lies between such pages too.
   * @throws Error when there is no memory, or no way to raw memory
   */
  constructor(room: number | ArrayBuffer) {
    this.#base = typeof room === 'number' ? map(room) : mapAgain(room)
    const buffer = typeof room === 'number' ? koffi().view(this.#base, roundedUp(room)) : room
    this.size = buffer.byteLength
    kept.add(buffer)
    keepFromDumps(this.#base, this.size)
    this.#bytes = new Uint8Array(buffer)
    this.#view = new DataView(buffer)
  }

  /** The address of `length` bytes from `at` on, for a function that reads or writes no more than these. */
  address(at: number, length: number): Address {
    this.#check(at, length)
    return (this.#base + at) as Address
  }

  /**
   * The arena's own bytes, for code that works on packets where they lie. Whoever holds them reads and writes what
   * native functions do, and they are gone with the process only: not to be kept anywhere else.
   */
  get buffer(): ArrayBuffer {
    return this.#bytes.buffer
  }

  /** Copies `bytes` in. */
  put(at: number, bytes: Uint8Array): void {
    this.#check(at, bytes.length)
    this.#bytes.set(bytes, at)
  }

  /** Writes a text as UTF-8; gives its length in bytes, or `undefined` when it does not fit into `room` bytes. */
  putText(at: number, room: number, text: string): number | undefined {
    this.#check(at, room)
    const { read, written } = UTF8.encodeInto(text, this.#bytes.subarray(at, at + room))
    return read === text.length ? written : undefined
  }

  /** A copy of `length` bytes. */
  take(at: number, length: number): Uint8Array<ArrayBuffer> {
    this.#check(at, length)
    return this.#bytes.slice(at, at + length)
  }

  /** Copies `length` bytes to `into`, from `intoAt` on. */
  takeInto(at: number, length: number, into: Uint8Array, intoAt: number): void {
    this.#check(at, length)
    if (!isWithin(intoAt, length, into.length)) throw new RangeError(`No room for ${length} bytes at ${String(intoAt)}`)
    // A view of ours, so that no subclass's method is ever shown the arena's own bytes.
    new Uint8Array(into.buffer, into.byteOffset + intoAt, length).set(this.#bytes.subarray(at, at + length))
  }

  /** The 32-bit number at `at`, in the machine's order of bytes. */
  int32(at: number): number {
    this.#check(at, 4)
    return this.#view.getInt32(at, true)
  }

  /** Overwrites with zeros. */
  wipe(at: number, length: number): void {
    this.#check(at, length)
    this.#bytes.fill(0, at, at + length)
  }

  #check(at: number, length: number): void {
    if (!isWithin(at, length, this.size))
      throw new RangeError(`Not in the arena of ${this.size} bytes: ${String(length)} from ${String(at)} on`)
  }
}

function isWithin(at: number, length: number, size: number): boolean {
  return Number.isSafeInteger(at) && Number.isSafeInteger(length) && at >= 0 && length >= 0 && at + length <= size
}
