/**
 * Writes and reads values as Go's libraries do: durations, quoted texts, words for a shell. The official command line
 * is a Go program, and scripts read what it prints.
 */

const UNIT_NS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 6e10,
  h: 3.6e12,
}

/** `1m30s`, `1.5h`, `0`, in milliseconds; `undefined` for anything else. */
export function parseDuration(text: string): number | undefined {
  const [, sign, rest = ''] = /^([+-]?)(.*)$/s.exec(text) ?? []
  if (rest === '0') return 0
  if (!/^((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+$/.test(rest)) return undefined
  let ns = 0
  for (const [, count, unit] of rest.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g))
    ns += Number(count) * (UNIT_NS[unit as string] as number)
  // Go keeps nanoseconds in 63 bits: some 292 years.
  if (ns > 2 ** 63) return undefined
  return (sign === '-' ? -ns : ns) / 1e6
}

/** `0s`, `12ms`, `1.5s`, `1m30s`, from whole milliseconds. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s'
  const sign = ms < 0 ? '-' : ''
  const left = Math.abs(Math.round(ms))
  if (left < 1000) return `${sign}${left}ms`
  const hours = Math.floor(left / 3_600_000)
  const minutes = Math.floor((left % 3_600_000) / 60_000)
  const seconds = `${(left % 60_000) / 1000}s`
  return sign + (hours > 0 ? `${hours}h${minutes}m${seconds}` : minutes > 0 ? `${minutes}m${seconds}` : seconds)
}

const ESCAPES: Readonly<Record<string, string>> = {
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '"': '\\"',
  '\\': '\\\\',
}

/** A text in double quotes, with nothing in it that moves a cursor (Go's `%q`). */
export function quote(text: string): string {
  const escaped = text.replace(/["\\]|[\p{C}\p{Zl}\p{Zp}]/gu, (char) => {
    const known = ESCAPES[char]
    if (known !== undefined) return known
    const code = char.codePointAt(0) as number
    if (code < 0x80) return `\\x${code.toString(16).padStart(2, '0')}`
    return code < 0x10000 ? `\\u${code.toString(16).padStart(4, '0')}` : `\\U${code.toString(16).padStart(8, '0')}`
  })
  return `"${escaped}"`
}

/** Texts as Go prints a list of them quoted: `["a" "b"]`. */
export function quoteList(texts: readonly string[]): string {
  return `[${texts.map(quote).join(' ')}]`
}

/** A text as one word of a shell's command line. */
export function shellWord(text: string): string {
  if (text === '') return "''"
  if (!/[ \t\n]/.test(text)) return text.replace(/[\\'"`${[|&;<>()*?!]|^~/g, '\\$&')
  return text.replace(/[^']+|'/g, (part) => (part === "'" ? "\\'" : `'${part}'`))
}

/** A word of a command line is on when it is one of these. */
export function parseBoolean(text: string): boolean | undefined {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text)) return true
  return ['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(text) ? false : undefined
}
