/**
 * Reads flags as the official command line does (Go's `flag`): `-x` is `--x`, a value follows `=` or is the next word,
 * the first word that is no flag ends them, and no flag is given twice.
 */

import { formatDuration, parseBoolean, parseDuration, quote } from './go-words.ts'

interface Described {
  readonly usage: string
  /** Works, but is not told of. */
  readonly hidden?: true
  /** Says what is wrong with a value, if something is. */
  readonly check?: (text: string) => string | undefined
}
export type Flag = Described &
  (
    | { readonly kind: 'bool'; readonly initial: boolean }
    | { readonly kind: 'text'; readonly initial: string }
    | { readonly kind: 'int'; readonly initial: number }
    /** In milliseconds. */
    | { readonly kind: 'duration'; readonly initial: number }
  )
export type Flags = Readonly<Record<string, Flag>>

export const bool = (initial: boolean, usage: string, more: Omit<Described, 'usage'> = {}): Flag => ({
  kind: 'bool',
  initial,
  usage,
  ...more,
})
export const text = (usage: string, initial = ''): Flag => ({ kind: 'text', initial, usage })
export const int = (initial: number, usage: string): Flag => ({ kind: 'int', initial, usage })
export const duration = (initial: number, usage: string): Flag => ({ kind: 'duration', initial, usage })

/** The flags of one command line: what was given, and what stands where nothing was. */
export class FlagValues {
  readonly #flags: Flags
  readonly #given: ReadonlyMap<string, boolean | string | number>

  constructor(flags: Flags, given: ReadonlyMap<string, boolean | string | number>) {
    this.#flags = flags
    this.#given = given
  }

  bool(name: string): boolean {
    return this.#value(name) === true
  }

  text(name: string): string {
    return String(this.#value(name))
  }

  /** Of an integer, or in milliseconds of a duration. */
  number(name: string): number {
    return Number(this.#value(name))
  }

  isGiven(name: string): boolean {
    return this.#given.has(name)
  }

  /** Names of the flags that were given, sorted. */
  given(): string[] {
    return [...this.#given.keys()].sort()
  }

  /** Names of all flags, sorted. */
  names(): string[] {
    return Object.keys(this.#flags).sort()
  }

  isBool(name: string): boolean {
    return this.#flags[name]?.kind === 'bool'
  }

  #value(name: string): boolean | string | number {
    const flag = this.#flags[name]
    if (flag === undefined) throw new TypeError(`there is no flag ${name} here`)
    return this.#given.get(name) ?? flag.initial
  }
}

export type Parsed =
  | { readonly kind: 'parsed'; readonly values: FlagValues; readonly rest: readonly string[] }
  | { readonly kind: 'help' }
  | { readonly kind: 'wrong'; readonly message: string }

export function parseFlags(flags: Flags, args: readonly string[]): Parsed {
  const given = new Map<string, boolean | string | number>()
  const wrong = (message: string): Parsed => ({ kind: 'wrong', message })
  let at = 0
  for (; at < args.length; at++) {
    const word = args[at] as string
    if (word.length < 2 || !word.startsWith('-')) break
    if (word === '--') {
      at++
      break
    }
    const body = word.slice(word.startsWith('--') ? 2 : 1)
    if (body === '' || body.startsWith('-') || body.startsWith('=')) return wrong(`bad flag syntax: ${word}`)
    const equals = body.indexOf('=', 1)
    const name = equals < 0 ? body : body.slice(0, equals)
    let value = equals < 0 ? undefined : body.slice(equals + 1)
    const flag = Object.hasOwn(flags, name) ? flags[name] : undefined
    if (flag === undefined)
      return name === 'help' || name === 'h' ? { kind: 'help' } : wrong(`flag provided but not defined: -${name}`)
    const alone = flag.kind === 'bool' && value === undefined
    if (alone) value = 'true'
    if (value === undefined) {
      value = args[++at]
      if (value === undefined) return wrong(`flag needs an argument: -${name}`)
    }
    const read = given.has(name) ? { wrong: 'flag provided multiple times' } : readValue(flag, value)
    if ('wrong' in read)
      return wrong(
        alone
          ? `invalid boolean flag ${name}: ${read.wrong}`
          : `invalid ${flag.kind === 'bool' ? 'boolean ' : ''}value ${quote(value)} for ${flag.kind === 'bool' ? '' : 'flag '}-${name}: ${read.wrong}`,
      )
    given.set(name, read.value)
  }
  return { kind: 'parsed', values: new FlagValues(flags, given), rest: args.slice(at) }
}

type Read = { readonly value: boolean | string | number } | { readonly wrong: string }

function readValue(flag: Flag, text: string): Read {
  const complaint = flag.check?.(text)
  if (complaint !== undefined) return { wrong: complaint }
  const value = {
    bool: () => parseBoolean(text),
    text: () => text,
    int: () => (/^[+-]?\d{1,15}$/.test(text) ? Number(text) : undefined),
    duration: () => parseDuration(text),
  }[flag.kind]()
  return value === undefined ? { wrong: 'parse error' } : { value }
}

/** A flag's value where nobody gives one, as help shows it. */
export function initialText(flag: Flag): string {
  return flag.kind === 'duration' ? formatDuration(flag.initial) : String(flag.initial)
}
