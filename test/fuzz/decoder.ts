/**
 * What fuzzing wants to know of a decoder, and how one is run: for so long, from a seed, on input after input.
 *
 * Of every input it is asked: did anything come out but a value or a MeshError of the named codes, did a value break
 * what the decoder promises, did reading take more memory than an input of its size may?
 */

import { AssertionError } from 'node:assert'
import { getHeapStatistics } from 'node:v8'
import * as fc from 'fast-check'
import { textOf } from '../../src/base/bytes.ts'
import { MeshError } from '../../src/base/errors.ts'
import type { ErrorCode } from '../../src/base/errors.ts'

export interface Decoder {
  readonly name: string
  /** Decodes inputs for so many milliseconds, or until one shows a fault. */
  readonly run: (seed: number, ms: number) => Promise<Findings>
  /** Lets go of what running has opened. */
  readonly close?: () => Promise<void>
}

export interface Findings {
  readonly inputs: number
  /** What was found: the fault, and the smallest input that shows it. */
  readonly fault?: Error
}

export interface Rules<Input> {
  readonly name: string
  readonly inputs: fc.Arbitrary<Input>
  /** Decodes, and asserts what is promised of the value. */
  readonly read: (input: Input) => unknown
  /** Codes of the errors that may come out; none when left out. */
  readonly throws?: readonly ErrorCode[]
  /** What reading may take: so many bytes, and so many more for each byte of input. */
  readonly memory?: Memory
}

export interface Memory {
  readonly fixed: number
  readonly perByte: number
}

/** Room for a handshake, for assertions, and for the grain of the meter, which counts by pages of the heap. */
const USUAL: Memory = { fixed: 2 * 1024 * 1024, perByte: 256 }

/** A decoder that answers at once. */
export function decoder<Input>(rules: Rules<Input>): Decoder {
  const property = fc.property(rules.inputs, (input) => {
    const most = allowance(rules.memory ?? USUAL, input)
    if (cost(() => attempt(rules, input)) <= most) return
    // The compiler and the collector work whenever they like; what an input costs, it costs every time.
    const least = Math.min(...[1, 2, 3].map(() => cost(() => attempt(rules, input))))
    if (least > most) throw new Error(`reading this took ${least} bytes, more than ${most}`)
  })
  return { name: rules.name, run: async (seed, ms) => findings(fc.check(property, within(seed, ms))) }
}

/** A decoder whose answer comes later, or a whole machine behind one; its memory is not watched here. */
export function slowDecoder<Input>(rules: Omit<Rules<Input>, 'memory'>): Decoder {
  const property = fc.asyncProperty(rules.inputs, async (input) => {
    try {
      await rules.read(input)
    } catch (error) {
      check(rules.throws, error)
    }
  })
  return { name: rules.name, run: async (seed, ms) => findings(await fc.check(property, within(seed, ms))) }
}

function within(seed: number, ms: number) {
  return { seed, numRuns: Number.MAX_SAFE_INTEGER, interruptAfterTimeLimit: ms, markInterruptAsFailure: false }
}

function findings<Input>(details: fc.RunDetails<[Input]>): Findings {
  const inputs = details.numRuns
  if (!details.failed) return { inputs }
  const { errorInstance, counterexample } = details
  const shown = counterexample?.map(show).join(', ')
  return { inputs, fault: new Error(`input ${inputs} shows a fault; smallest one: ${shown}`, { cause: errorInstance }) }
}

/** An input as it can be pasted into a test: text where it is text, else hex. */
function show(input: unknown): string {
  return JSON.stringify(input, (_, value: unknown) => {
    if (!(value instanceof Uint8Array)) return value
    const text = textOf(value)
    return text === undefined ? `hex ${value.toHex()}` : text
  })
}

function attempt<Input>(rules: Rules<Input>, input: Input): void {
  try {
    rules.read(input)
  } catch (error) {
    check(rules.throws, error)
  }
}

function check(codes: readonly ErrorCode[] | undefined, error: unknown): void {
  if (error instanceof AssertionError) throw error
  if (error instanceof MeshError && codes?.includes(error.code)) return
  throw new Error(`this came out: ${String(error)}`, { cause: error })
}

/** Bytes of the heap and of array buffers that a call takes, kept or not. Less when the collector runs meanwhile. */
export function cost(call: () => unknown): number {
  const before = getHeapStatistics()
  call()
  const after = getHeapStatistics()
  return (
    after.total_allocated_bytes -
    before.total_allocated_bytes +
    Math.max(0, after.external_memory - before.external_memory)
  )
}

function allowance({ fixed, perByte }: Memory, input: unknown): number {
  return fixed + perByte * sizeOf(input)
}

function sizeOf(input: unknown): number {
  if (typeof input === 'string' || input instanceof Uint8Array) return input.length
  return typeof input === 'object' && input !== null
    ? Object.values(input).reduce((sum: number, part) => sum + sizeOf(part), 0)
    : 8
}
