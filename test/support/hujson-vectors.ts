/** Holds the HuJSON module against golden vectors of the shape that test/vectors/hujson/README.md describes. */

import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import {
  bytesFrom,
  format,
  HuJsonError,
  HuJsonPatchError,
  isStandard,
  minimize,
  pack,
  parse,
  patch,
  standardize,
  withoutBareCommas,
} from '../../src/policy/hujson/index.ts'

interface Outcome {
  readonly error?: string
  readonly packed?: string
  readonly standardized?: string
  readonly minimized?: string
  readonly formatted?: string
  readonly isStandard?: boolean
  readonly patched?: string
  readonly patchedFormatted?: string
  readonly patchError?: string
}

export interface HuJsonVector extends Outcome {
  readonly name: string
  readonly input: string
  readonly patch?: string
}

/** What the three transformations were made of: the tree itself, or the reference's `Clone` of it. */
export type Source = 'parsed' | 'cloned'

const FIELDS = [
  'error',
  'packed',
  'standardized',
  'minimized',
  'formatted',
  'isStandard',
  'patched',
  'patchedFormatted',
  'patchError',
] as const

/** The lines of a `.jsonl` or `.jsonl.gz` file. */
export function readHuJsonVectors(file: string | URL): HuJsonVector[] {
  const raw = readFileSync(file)
  // The magic number of gzip (RFC 1952 §2.3.1).
  const text = (raw[0] === 0x1f && raw[1] === 0x8b ? gunzipSync(raw) : raw).toString('utf8')
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  return lines.map((line) => JSON.parse(line) as HuJsonVector)
}

/** Where Sett does something else than a vector says, in words; nothing when it agrees. */
export function differences(vector: HuJsonVector, source: Source): string[] {
  if (!FIELDS.some((field) => vector[field] !== undefined)) return ['the vector does not say what became of its input']
  let found: string[] = []
  for (const input of readings(vector)) {
    const outcome = outcomeOf(input, vector.patch, source)
    found = FIELDS.filter((field) => isSaid(vector, field) && outcome[field] !== vector[field]).map(
      (field) => `${field}: want ${JSON.stringify(vector[field])}, got ${JSON.stringify(outcome[field])}`,
    )
    if (found.length === 0) return found
  }
  return found
}

/** A field left out says nothing, but for errors: there it says that there was none. */
function isSaid(vector: HuJsonVector, field: (typeof FIELDS)[number]): boolean {
  return vector[field] !== undefined || field === 'error' || field === 'patchError'
}

/**
 * What the input may have been: as it stands; and where it has U+FFFD, with a byte that isn't UTF-8 for each. The error
 * names the byte at its place, and the others matter to nothing.
 */
function readings(vector: HuJsonVector): (string | Uint8Array)[] {
  const { input, error } = vector
  if (!input.includes('\ufffd')) return [input]
  const bytes = bytesFrom(input.replaceAll('\ufffd', '\udcff'))
  const named =
    error === undefined ? null : /line (\d+), column (\d+): invalid character '\\x([0-9a-f]{2})'/.exec(error)
  if (named !== null) {
    let at = 0
    for (let line = 1; line < Number(named[1]); line++) at = bytes.indexOf(0x0a, at) + 1
    at += Number(named[2]) - 1
    if (bytes[at] === 0xff) bytes[at] = Number.parseInt(named[3] as string, 16)
  }
  return [bytes, input]
}

function outcomeOf(input: string | Uint8Array, operations: string | undefined, source: Source): Outcome {
  try {
    const value = parse(input)
    const tree = source === 'cloned' ? withoutBareCommas(value) : value
    return {
      ...(operations === undefined ? {} : outcomeOfPatch(value, operations)),
      packed: shown(pack(value)),
      standardized: shown(standardize(tree)),
      minimized: shown(minimize(tree)),
      formatted: shown(format(tree)),
      isStandard: isStandard(value),
    }
  } catch (error) {
    if (error instanceof HuJsonError) return { error: shown(error.message) }
    throw error
  }
}

function outcomeOfPatch(value: ReturnType<typeof parse>, operations: string): Outcome {
  try {
    const patched = patch(value, operations)
    return { patched: shown(pack(patched)), patchedFormatted: shown(format(patched)) }
  } catch (error) {
    if (error instanceof HuJsonPatchError || error instanceof HuJsonError) return { patchError: error.message }
    throw error
  }
}

/** As JSON shows it: each byte that isn't UTF-8 as U+FFFD. */
function shown(text: string): string {
  return text.toWellFormed()
}
