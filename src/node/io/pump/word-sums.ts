/**
 * Sums the words of packets by WebAssembly, sixteen bytes at a time: what checksums are made of (packet/checksum.ts).
 *
 * Why: every segment's checksum is made or looked at, which took as long as half the cipher; this takes a quarter of
 * the time of the loop in checksum.ts, which stays for short stretches and for machines where this can't be had. A test
 * holds the two together. The module is written out below, since its ten lines are no reason for a compiler.
 */

import type { WordSum } from '../../packet/memory.ts'

/** As much of the standard's interface as is used here (WebAssembly JavaScript Interface, W3C). */
interface WebAssemblyMemory {
  readonly buffer: ArrayBuffer
}
declare const WebAssembly: {
  Memory: new (size: { initial: number; maximum: number }) => WebAssemblyMemory
  Module: new (bytes: Uint8Array) => object
  Instance: new (module: object, imports: object) => { readonly exports: { readonly sum: WordSum } }
}

const PAGE = 65_536

/** Memory that never grows, so its bytes never move. @param atLeast bytes; rounded up to whole pages */
export function makeWasmMemory(atLeast: number): WebAssemblyMemory {
  const pages = Math.ceil(atLeast / PAGE)
  return new WebAssembly.Memory({ initial: pages, maximum: pages })
}

/** @throws where there is no WebAssembly with vectors */
export function makeWordSum(memory: WebAssemblyMemory): WordSum {
  return new WebAssembly.Instance(new WebAssembly.Module(MODULE), { pump: { memory } }).exports.sum
}

const [I32, F64, V128, FUNCTION, NO_RESULT] = [0x7f, 0x7c, 0x7b, 0x60, 0x40]
const text = (t: string): number[] => [t.length, ...new TextEncoder().encode(t)]
/** All numbers here, lengths too, are below 128: one byte of LEB128 each; opcodes of vectors from 128 on take two. */
const section = (id: number, bytes: number[]): number[] => [id, bytes.length, ...bytes]
const vector = (op: number, ...more: number[]): number[] =>
  op < 0x80 ? [0xfd, op, ...more] : [0xfd, (op & 0x7f) | 0x80, op >> 7, ...more]

const get = (local: number): number[] => [0x20, local]
const set = (local: number): number[] => [0x21, local]
const tee = (local: number): number[] => [0x22, local]
const [AT, END, SUM, WORDS] = [0, 1, 2, 3]
const LOAD = vector(0x00, 0, 0)
const EXTEND_LOW = vector(0xc9)
const EXTEND_HIGH = vector(0xca)
const ADD = vector(0xce)
const LANE = (lane: number): number[] => vector(0x1d, lane)

/** sum(at, end): do { words = four at `at`; sum += words 0 and 1; sum += words 2 and 3 } while ((at += 16) < end) */
const BODY = [
  [2, 1, V128, 1, V128],
  [0x03, NO_RESULT],
  [...get(SUM), ...get(AT), ...LOAD, ...tee(WORDS), ...EXTEND_LOW, ...ADD],
  [...get(WORDS), ...EXTEND_HIGH, ...ADD, ...set(SUM)],
  // i32.const 16, i32.add; i32.lt_u, br_if 0, end
  [...get(AT), 0x41, 16, 0x6a, ...tee(AT), ...get(END), 0x49, 0x0d, 0, 0x0b],
  // i64.add, f64.convert_i64_u, end
  [...get(SUM), ...LANE(0), ...get(SUM), ...LANE(1), 0x7c, 0xba, 0x0b],
].flat()

const MODULE = Uint8Array.from(
  [
    [0x00, ...new TextEncoder().encode('asm'), 1, 0, 0, 0],
    section(1, [1, FUNCTION, 2, I32, I32, 1, F64]),
    section(2, [1, ...text('pump'), ...text('memory'), 2, 0, 1]),
    section(3, [1, 0]),
    section(7, [1, ...text('sum'), 0, 0]),
    section(10, [1, BODY.length, ...BODY]),
  ].flat(),
)
