/**
 * One assertion of a posture: `attribute OP value`, `attribute IS SET`, `attribute NOT SET`, or a boolean attribute
 * alone, which stands for its being true. Strings in single quotes, lists in brackets. (policy.md §12)
 */

import { quoteText } from '../hujson/errors.ts'
import type { Assertion, AttributeValue, Comparison } from '../policy.ts'
import type { Pace, Steps } from '../steps.ts'
import type { Written } from './part.ts'

/** Compared as versions, so `1.10` is not the number 1.1. */
const VERSIONS: ReadonlySet<string> = new Set(['node:osVersion', 'node:tsVersion'])
const ATTRIBUTE = /^[A-Za-z][A-Za-z0-9_]*:[A-Za-z0-9_:.-]+/
const VALUE = /^(?:'([^']*)'|(-?\d+(?:\.\d+)*)|(true|false)(?![A-Za-z0-9_]))\s*/
const FORMS = 'want "attribute OP value", "attribute IS SET", "attribute NOT SET" or a boolean attribute'

/** The assertion, or what is wrong with it. */
export function* readAssertion({ text, at }: Written, pace: Pace): Steps<Assertion | string> {
  const fault = (fact: string): string => `${quoteText(text)}: ${fact}`
  const attribute = ATTRIBUTE.exec(text)?.[0]
  if (attribute === undefined) return fault(`must begin with an attribute, such as "node:os"; ${FORMS}`)
  const rest = text.slice(attribute.length).trim()
  const base = { at, text, attribute }
  if (rest === '') return { ...base, op: '==', value: true }
  if (/^(IS|NOT)\s+SET$/.test(rest)) return { ...base, op: rest.startsWith('IS') ? 'IS SET' : 'NOT SET' }
  const listed = /^(IN|NOT\s+IN)\b\s*(.*)$/s.exec(rest)
  if (listed !== null) {
    const values = yield* readList(listed[2] ?? '', pace)
    return typeof values === 'string' ? fault(values) : { ...base, op: listed[1] === 'IN' ? 'IN' : 'NOT IN', values }
  }
  const compared = /^(==|!=|<=|>=|<|>)\s*(.*)$/s.exec(rest)
  if (compared === null) return fault(FORMS)
  const op = compared[1] as Comparison
  const value = readValue(compared[2] ?? '', attribute)
  if (value === undefined) return fault(`must have one string in single quotes, number, true or false behind "${op}"`)
  if (op !== '==' && op !== '!=' && typeof value !== 'number' && !VERSIONS.has(attribute))
    return fault(`"${op}" compares numbers, and the versions of node:osVersion and node:tsVersion`)
  return { ...base, op, value }
}

function readValue(text: string, attribute: string): AttributeValue | undefined {
  const [whole, quoted, number, word] = VALUE.exec(text) ?? []
  if (whole !== text) return undefined
  if (quoted !== undefined) return quoted
  if (word !== undefined) return word === 'true'
  if (VERSIONS.has(attribute)) return number
  const value = Number(number)
  return Number.isFinite(value) ? value : undefined
}

/** Strings between brackets, and nothing behind them. */
function* readList(text: string, pace: Pace): Steps<readonly string[] | string> {
  const inner = /^\[(.*)\]$/s.exec(text)?.[1]?.trim()
  const wanted = `must have a list behind it, such as ['macos', 'linux']`
  if (inner === undefined || inner === '') return wanted
  const values: string[] = []
  let rest = inner
  for (;;) {
    if (pace.spent()) yield
    const [whole, value] = /^'([^']*)'\s*/.exec(rest) ?? []
    if (whole === undefined || value === undefined) return wanted
    values.push(value)
    rest = rest.slice(whole.length)
    if (rest === '' || rest === ',') return values
    if (!rest.startsWith(',')) return wanted
    rest = rest.slice(1).trimStart()
  }
}
