/**
 * Reads JSON as Go programs write and read it (control.md §0.3): field names in any case, unknown fields ignored,
 * `null` the same as absent, absent the same as zero; and a field of the wrong kind fails the whole message.
 *
 * Where it differs from Go, on purpose:
 *   - `1.0` and `1e0` pass as integers, since JavaScript's parser does not tell them from `1`;
 *   - integers beyond 2^53 - 1 are refused, since they would be another number here;
 *   - U+0000 and lone surrogates come out as U+FFFD: databases and clients choke on them;
 *   - nesting is limited, before anything is built.
 *
 * Messages of errors name the field and what was wanted, never what was there: it might be a secret.
 */

import { EMPTY, fromBase64, textOf } from './bytes.ts'
import type { Bytes } from './bytes.ts'
import { parseTime } from './clock.ts'
import type { Wall } from './clock.ts'
import { MeshError } from './errors.ts'

export interface JsonLimits {
  /** What is read, for messages: `RegisterRequest`. */
  readonly what: string
  /** Longest message, in bytes (for text given as a string: in UTF-16 units). */
  readonly maxLength: number
  /** Deepest nesting of objects and arrays; 32 when left out. */
  readonly maxDepth?: number
}

/** Reads one value; `path` says where it stands and goes into the error. */
export type JsonReader<T> = (value: unknown, path: string) => T

/**
 * Reads a message: one JSON object and nothing else.
 *
 * @throws MeshError `json/malformed`
 */
export function readObject(json: string | Bytes, limits: JsonLimits): Fields {
  if (json.length > limits.maxLength) throw malformed(limits.what, `longer than ${limits.maxLength} bytes`)
  let text = typeof json === 'string' ? json : textOf(json)
  if (text === undefined) throw malformed(limits.what, 'not UTF-8')
  const maxDepth = limits.maxDepth ?? 32
  if (isDeeperThan(text, maxDepth)) throw malformed(limits.what, `nested deeper than ${maxDepth} levels`)
  // Escapes are looked at in pairs, so that the backslash of `\\u0000` is not taken for the start of one.
  if (text.includes('\\u0000')) text = text.replace(/\\(?:u0000|[^])/g, (e) => (e === '\\u0000' ? '\\ufffd' : e))
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // The parser's own message quotes the text.
    throw malformed(limits.what, 'not JSON')
  }
  return readFields(value, limits.what)
}

/** The fields of an object, by name in any case. Every getter throws MeshError `json/malformed` for another kind of value. */
export class Fields {
  readonly #object: { readonly [name: string]: unknown }
  readonly #path: string
  #lowered: Map<string, unknown> | undefined

  /** @param object as `JSON.parse` made it */
  constructor(object: object, path: string) {
    this.#object = object as { readonly [name: string]: unknown }
    this.#path = path
  }

  /** Where this object stands in its message. */
  get path(): string {
    return this.#path
  }

  /** The value as it came; `undefined` when it is absent or `null`. */
  raw(name: string): unknown {
    if (Object.hasOwn(this.#object, name)) return this.#object[name] ?? undefined
    if (this.#lowered === undefined) {
      this.#lowered = new Map()
      for (const own of Object.keys(this.#object)) this.#lowered.set(own.toLowerCase(), this.#object[own])
    }
    return this.#lowered.get(name.toLowerCase()) ?? undefined
  }

  /** Is the field there, and not `null`? */
  has(name: string): boolean {
    return this.raw(name) !== undefined
  }

  /** What `read` makes of the value; `undefined` when it is absent or `null`. */
  optional<T>(name: string, read: JsonReader<T>): T | undefined {
    const value = this.raw(name)
    return value === undefined ? undefined : read(value, `${this.#path}.${name}`)
  }

  /** A text; empty when absent. */
  text(name: string): string {
    return this.optional(name, readText) ?? ''
  }

  /** An integer that JavaScript holds exactly; 0 when absent. */
  int(name: string): number {
    return this.optional(name, readInt) ?? 0
  }

  /** A finite number; 0 when absent. */
  number(name: string): number {
    return this.optional(name, readNumber) ?? 0
  }

  /** A truth value; `false` when absent. */
  bool(name: string): boolean {
    return this.optional(name, readBool) ?? false
  }

  /** A truth value that may be left open (`opt.Bool`); a text is an error. */
  optBool(name: string): boolean | undefined {
    return this.optional(name, readBool)
  }

  /** A time; `undefined` when absent or of year 1, which is Go's zero. */
  time(name: string): Wall | undefined {
    return this.optional(name, readTime)
  }

  /** Bytes from base64; empty when absent. */
  bytes(name: string): Uint8Array {
    return this.optional(name, readBytes) ?? EMPTY
  }

  /** The fields of an object; `undefined` when absent. */
  object(name: string): Fields | undefined {
    return this.optional(name, readFields)
  }

  /** The elements of an array; none when absent. Where `[]` differs from absent, use `optional` with `listOf`. */
  list<T>(name: string, read: JsonReader<T>): T[] {
    return this.optional(name, listOf(read)) ?? []
  }

  /** The members of an object whose names are data; none when absent. */
  members<T>(name: string, read: JsonReader<T>): Map<string, T> {
    return this.optional(name, mapOf(read)) ?? new Map()
  }
}

export const readText: JsonReader<string> = (value, path) => {
  if (typeof value !== 'string') throw malformed(path, 'want a text')
  return value.toWellFormed()
}

export const readInt: JsonReader<number> = (value, path) => {
  if (!Number.isSafeInteger(value)) throw malformed(path, 'want an integer')
  return (value as number) + 0 // -0 becomes 0
}

/** An integer of 32 bits. Go's `int` is no wider on some machines, and one beyond it fails their whole message. */
export const readInt32: JsonReader<number> = (value, path) => {
  const number = readInt(value, path)
  if (number !== (number | 0)) throw malformed(path, 'want an integer of 32 bits')
  return number
}

export const readNumber: JsonReader<number> = (value, path) => {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw malformed(path, 'want a number')
  return value + 0
}

export const readBool: JsonReader<boolean> = (value, path) => {
  if (typeof value !== 'boolean') throw malformed(path, 'want true or false')
  return value
}

/** `undefined` for year 1, which is Go's zero time. */
export const readTime: JsonReader<Wall | undefined> = (value, path) => {
  const time = typeof value === 'string' ? parseTime(value) : null
  if (time === null) throw malformed(path, 'want a time as of RFC 3339')
  return time
}

export const readBytes: JsonReader<Uint8Array> = (value, path) => {
  const bytes = typeof value === 'string' ? fromBase64(value) : undefined
  if (bytes === undefined) throw malformed(path, 'want base64')
  return bytes
}

export const readFields: JsonReader<Fields> = (value, path) => new Fields(objectAt(value, path), path)

/**
 * A text of some kind of its own, such as a key or an address.
 *
 * @param parse gives `undefined` for a text that isn't one
 * @param want what it should be, for the message: `a node key`
 */
export function textAs<T>(parse: (text: string) => T | undefined, want: string): JsonReader<T> {
  return (value, path) => {
    const parsed = typeof value === 'string' ? parse(value) : undefined
    if (parsed === undefined) throw malformed(path, `want ${want}`)
    return parsed
  }
}

/** An array; `read` gets `null` elements as they are. */
export function listOf<T>(read: JsonReader<T>): JsonReader<T[]> {
  return (value, path) => {
    if (!Array.isArray(value)) throw malformed(path, 'want an array')
    return value.map((element, i) => read(element, `${path}[${i}]`))
  }
}

/** A text of so many UTF-16 units at most. */
export function textUpTo(max: number): JsonReader<string> {
  return (value, path) => {
    const text = readText(value, path)
    if (text.length > max) throw malformed(path, `longer than ${max}`)
    return text
  }
}

/** An array of so many elements at most: a longer one is refused before anything is made of it. */
export function listUpTo<T>(max: number, read: JsonReader<T>): JsonReader<T[]> {
  const all = listOf(read)
  return (value, path) => {
    if (Array.isArray(value) && value.length > max) throw malformed(path, `longer than ${max}`)
    return all(value, path)
  }
}

/** An object whose names are data; `read` gets `null` members as they are. */
export function mapOf<T>(read: JsonReader<T>): JsonReader<Map<string, T>> {
  return (value, path) => {
    const members = new Map<string, T>()
    // The name stays out of the path: it is the sender's to choose, and may be long.
    for (const [name, member] of Object.entries(objectAt(value, path))) {
      members.set(name.toWellFormed(), read(member, `${path}.*`))
    }
    return members
  }
}

/** `read`, with `otherwise` for `null`: what Go makes of `null` among elements. */
export function orNull<T>(read: JsonReader<T>, otherwise: T): JsonReader<T> {
  return (value, path) => (value === null ? otherwise : read(value, path))
}

function objectAt(value: unknown, path: string): object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(path, 'want an object')
  return value
}

function malformed(path: string, fact: string): MeshError {
  return new MeshError('json/malformed', `Cannot read JSON: ${path}: ${fact}`)
}

const QUOTE = 0x22
const BACKSLASH = 0x5c

/** Brackets outside of texts, counted before anything is built from them. */
function isDeeperThan(text: string, limit: number): boolean {
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case 0x5b: // [
      case 0x7b: // {
        if (++depth > limit) return true
        break
      case 0x5d: // ]
      case 0x7d: // }
        depth--
        break
      case QUOTE:
        for (i++; i < text.length && text.charCodeAt(i) !== QUOTE; i++) {
          if (text.charCodeAt(i) === BACKSLASH) i++
        }
    }
  }
  return false
}
