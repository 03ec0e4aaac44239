/**
 * A value of the policy's text together with where it stands and what messages call it, read as what a section expects:
 * a text, a list, an object with known fields, a table of named things. Anything else is refused with its place.
 *
 * `null` counts as absent, as in the reference. Names of fields may be in any letter case (policy.md §1); names that an
 * administrator chose are taken as they are.
 *
 * Lists and tables may be as long as the text, so they are read in steps; what else is done for each of their values
 * is counted to the same steps.
 */

import { quoteText } from '../hujson/errors.ts'
import type { HuMember, HuValue } from '../hujson/index.ts'
import { isString, unquote } from '../hujson/literal.ts'
import type { Place } from '../policy.ts'
import { mapped, Pace } from '../steps.ts'
import type { Steps } from '../steps.ts'
import { finite, readOpaque } from './opaque.ts'
import { PolicyRefusal } from './refusal.ts'

/** A text as written, and where. */
export interface Written {
  readonly text: string
  readonly at: Place
}

/** Values that are read in one step. Each may take 10 µs while the program is young. */
const VALUES_PER_STEP = 1000

/** The fields that an object may have, by their names in lower case. */
export type FieldNames<Name extends string> = ReadonlyMap<string, Name>

export function fieldNames<const Name extends string>(...names: readonly Name[]): FieldNames<Name> {
  return new Map(names.map((name) => [name.toLowerCase(), name]))
}

/** One of a table of named things. */
export interface Entry {
  readonly name: string
  readonly at: Place
  readonly value: Part
}

/** What a part is to the one that holds it. */
type Step =
  | { readonly kind: 'element'; readonly index: number }
  | { readonly kind: 'field' | 'entry'; readonly name: string }

export class Part {
  readonly #value: HuValue
  readonly #placeOf: (offset: number) => Place
  readonly #holder: Part | undefined
  readonly #step: Step | undefined
  /** One for the whole policy. */
  readonly pace: Pace

  /** Without a holder it is the whole policy. */
  constructor(value: HuValue, placeOf: (offset: number) => Place, holder?: Part, step?: Step) {
    this.#value = value
    this.#placeOf = placeOf
    this.#holder = holder
    this.#step = step
    this.pace = holder?.pace ?? new Pace(VALUES_PER_STEP)
  }

  /** What messages call it, such as `grants[2].src`. Only put together when asked for: hardly any part is in a message. */
  get what(): string {
    const [holder, step] = [this.#holder?.what ?? '', this.#step]
    if (step === undefined) return holder
    if (step.kind === 'element') return `${holder}[${step.index}]`
    if (step.kind === 'entry') return `${holder}[${quoteText(step.name)}]`
    return holder === '' ? step.name : `${holder}.${step.name}`
  }

  get at(): Place {
    return this.#placeOf(this.#value.start)
  }

  get isNull(): boolean {
    return this.#literal() === 'null'
  }

  /** What it is called goes before `fact`. */
  refusal(fact: string): PolicyRefusal {
    return new PolicyRefusal(this.what === '' ? fact : `${this.what}: ${fact}`, this.at)
  }

  /** The text of a string, blanks around it included. */
  string(): string {
    const literal = this.#literal()
    if (literal === undefined || !isString(literal)) throw this.#mismatch('a string')
    return unquote(literal)
  }

  boolean(): boolean {
    const literal = this.#literal()
    if (literal !== 'true' && literal !== 'false') throw this.#mismatch('true or false')
    return literal === 'true'
  }

  integer(least: number, most: number): number {
    const literal = this.#literal() ?? ''
    const number = Number(literal)
    if (!/^-?\d/.test(literal)) throw this.#mismatch('a whole number')
    if (!Number.isInteger(number) || number < least || number > most)
      throw this.refusal(`must be a whole number from ${least} to ${most}, not ${literal}`)
    return number
  }

  /** A string, a finite number, true or false. */
  scalar(): string | number | boolean {
    const literal = this.#literal()
    if (literal === 'true' || literal === 'false') return literal === 'true'
    if (literal === undefined || literal === 'null') throw this.#mismatch('a string, a number, true or false')
    if (isString(literal)) return unquote(literal)
    return finite(literal, (fact) => this.refusal(fact))
  }

  list(): Steps<Part[]> {
    return mapped(this.#elements(), this.pace, (element, index) => this.#part(element, { kind: 'element', index }))
  }

  /** What `read` makes of each element of a list. */
  *each<T>(read: (part: Part, index: number) => Steps<T>): Steps<T[]> {
    const found: T[] = []
    for (const [index, part] of (yield* this.list()).entries()) {
      found.push(yield* read(part, index))
      if (this.pace.spent()) yield
    }
    return found
  }

  /** A list of strings as they are. */
  verbatim(): Steps<Written[]> {
    return this.#texts((text) => text)
  }

  /** A list of strings without the blanks around each. (policy.md §3.1) */
  words(): Steps<Written[]> {
    return this.#texts((text) => text.trim())
  }

  /** What `read` makes of each word, once all of them are known to be words. */
  *eachWord<T>(read: (written: Written) => T): Steps<T[]> {
    return yield* mapped(yield* this.words(), this.pace, read)
  }

  *#texts(read: (text: string) => string): Steps<Written[]> {
    const found: Written[] = []
    for (const [index, element] of this.#elements().entries()) {
      if (this.pace.spent()) yield
      const part = this.#part(element, { kind: 'element', index })
      found.push({ text: read(part.string()), at: part.at })
    }
    return found
  }

  /** An object whose fields are all among `names`, each there once at most. */
  fields<Name extends string>(names: FieldNames<Name>): Fields<Name> {
    const found = new Map<Name, Part>()
    this.pace.add(1)
    for (const { name: written, value } of this.#members()) {
      const text = nameOf(written)
      const name = names.get(text.toLowerCase())
      if (name === undefined) throw new PolicyRefusal(`unknown field: ${quoteText(text)}`, this.#placeOf(written.start))
      if (found.has(name)) throw this.#duplicate(text, written)
      found.set(name, this.#part(value, { kind: 'field', name }))
      this.pace.add(1)
    }
    return new Fields(found, this.at)
  }

  /** An object whose names the administrator chose, each there once. */
  *entries(): Steps<Entry[]> {
    const seen = new Set<string>()
    const found: Entry[] = []
    for (const { name: written, value } of this.#members()) {
      if (this.pace.spent()) yield
      const name = nameOf(written)
      if (seen.has(name)) throw this.#duplicate(name, written)
      seen.add(name)
      found.push({ name, at: this.#placeOf(written.start), value: this.#part(value, { kind: 'entry', name }) })
    }
    return found
  }

  /** Whatever it is, as JSON has it. */
  json(): Steps<unknown> {
    return readOpaque(this.#value, this.pace, (fact) => this.refusal(fact))
  }

  #part(value: HuValue, step: Step): Part {
    return new Part(value, this.#placeOf, this, step)
  }

  #literal(): string | undefined {
    const { node } = this.#value
    return node.kind === 'literal' ? node.text : undefined
  }

  #elements(): readonly HuValue[] {
    const { node } = this.#value
    if (node.kind !== 'array') throw this.#mismatch('a list')
    return node.elements
  }

  #members(): readonly HuMember[] {
    const { node } = this.#value
    if (node.kind !== 'object') throw this.#mismatch('an object')
    return node.members
  }

  #duplicate(name: string, written: HuValue): PolicyRefusal {
    const message = `${quoteText(name)} is given more than once`
    return new PolicyRefusal(this.what === '' ? message : `${this.what}: ${message}`, this.#placeOf(written.start))
  }

  #mismatch(wanted: string): PolicyRefusal {
    return this.refusal(`must be ${wanted}, not ${kindOf(this.#value)}`)
  }
}

export class Fields<Name extends string> {
  readonly at: Place
  readonly #found: ReadonlyMap<Name, Part>

  constructor(found: ReadonlyMap<Name, Part>, at: Place) {
    this.#found = found
    this.at = at
  }

  /** `undefined` where the field is absent or null. */
  get(name: Name): Part | undefined {
    const part = this.#found.get(name)
    return part === undefined || part.isNull ? undefined : part
  }

  /** A field and its older name, of which one may be there. */
  either(name: Name, older: Name): Part | undefined {
    const [part, old] = [this.get(name), this.get(older)]
    if (part !== undefined && old !== undefined)
      throw old.refusal(`"${older}" is the older name of "${name}": give one of the two`)
    return part ?? old
  }

  // Lists that are absent or null are empty.

  *words(name: Name): Steps<readonly Written[]> {
    const part = this.get(name)
    return part === undefined ? [] : yield* part.words()
  }

  *verbatim(name: Name): Steps<readonly Written[]> {
    const part = this.get(name)
    return part === undefined ? [] : yield* part.verbatim()
  }

  *eachWord<T>(name: Name, read: (written: Written) => T): Steps<T[]> {
    const part = this.get(name)
    return part === undefined ? [] : yield* part.eachWord(read)
  }

  *entries(name: Name): Steps<readonly Entry[]> {
    const part = this.get(name)
    return part === undefined ? [] : yield* part.entries()
  }

  boolean(name: Name): boolean {
    return this.get(name)?.boolean() ?? false
  }
}

/** The parser takes nothing but strings for names. */
function nameOf({ node }: HuValue): string {
  return node.kind === 'literal' ? unquote(node.text) : ''
}

function kindOf({ node }: HuValue): string {
  if (node.kind === 'array') return 'a list'
  if (node.kind === 'object') return 'an object'
  if (node.text === 'null') return 'null'
  if (node.text === 'true' || node.text === 'false') return node.text
  return isString(node.text) ? 'a string' : 'a number'
}
