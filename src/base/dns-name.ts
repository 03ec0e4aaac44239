/**
 * Host names, labels and fully qualified names: what is left of a machine's own name, what is valid, what lies
 * under what (control.md §6.1, Names). Which name a node gets is the server's matter.
 *
 * Lengths are in bytes of UTF-8, as on the wire. Comparison is exact: who wants another case changes it first.
 */

import { utf8 } from './bytes.ts'

const MAX_LABEL = 63
/** Without the dot at the end. */
const MAX_NAME = 253

/** A name from the root: it ends with a dot and has no empty label. Its characters are free. */
export type Fqdn = `${string}.`

/** What routers and systems append to host names by themselves. */
const COMMON_SUFFIXES = ['.local', '.localdomain', '.lan']

/** A host name without the suffix that routers and systems append: `laptop.local` is `laptop`. */
export function trimCommonSuffixes(hostname: string): string {
  for (const suffix of COMMON_SUFFIXES) if (hostname.endsWith(suffix)) hostname = hostname.slice(0, -suffix.length)
  return hostname
}

/** The valid label nearest to a machine's host name; empty when nothing of it is usable. */
export function sanitizeHostname(hostname: string): string {
  return sanitizeLabel(trimCommonSuffixes(hostname))
}

/** The valid label nearest to a text; empty when nothing of it is usable. */
export function sanitizeLabel(text: string): string {
  const label = text
    .replace(/[ .@_]/g, '-')
    .replace(/[^a-zA-Z0-9-]/g, '')
    .toLowerCase()
    .replace(/^-+/, '')
    .slice(0, MAX_LABEL)
  let end = label.length
  while (label[end - 1] === '-') end--
  return label.slice(0, end)
}

/** Letters, digits and hyphens, a letter or digit at either end, 63 at most. */
export function isValidLabel(text: string): boolean {
  return text.length <= MAX_LABEL && /^[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?$/.test(text)
}

/** Valid labels between dots; one dot before and one after are forgiven. */
export function isValidHostname(text: string): boolean {
  const name = toFqdn(text)
  return name !== undefined && name !== '.' && withoutDot(name).split('.').every(isValidLabel)
}

/**
 * The fully qualified form; `undefined` for a name too long, an empty label, or one too long. The length of the last
 * label is left unchecked, as the reference leaves it. Empty is the root.
 */
export function toFqdn(text: string): Fqdn | undefined {
  const trimmed = text.endsWith('.') ? text.slice(0, -1) : text
  const name = trimmed.startsWith('.') ? trimmed.slice(1) : trimmed
  if (name === '') return '.'
  if (byteLength(name) > MAX_NAME) return undefined
  const labels = name.split('.')
  if (labels.includes('') || labels.slice(0, -1).some((label) => byteLength(label) > MAX_LABEL)) return undefined
  return `${name}.`
}

export function withoutDot(name: Fqdn): string {
  return name.slice(0, -1)
}

export function countLabels(name: Fqdn): number {
  return name === '.' ? 0 : name.split('.').length - 1
}

/** The name one label up; `undefined` for a name of one label, and for the root. */
export function parentOf(name: Fqdn): Fqdn | undefined {
  const parent = name.slice(name.indexOf('.') + 1)
  return parent === '' ? undefined : (parent as Fqdn)
}

/** The part before the first dot. */
export function firstLabel(text: string): string {
  const dot = text.indexOf('.')
  return dot < 0 ? text : text.slice(0, dot)
}

/** Is `inner` the same name as `outer`, or one under it? */
export function fqdnContains(outer: Fqdn, inner: Fqdn): boolean {
  return outer === '.' || inner === outer || inner.endsWith(`.${outer}`)
}

/** Does a name end in a suffix, with something before it? A dot at either end of the suffix, or after the name, is forgiven. */
export function hasDnsSuffix(name: string, suffix: string): boolean {
  return trimDnsSuffix(name, suffix) !== trimDot(name)
}

/** The name without its dot and, where it has it, without the suffix. */
export function trimDnsSuffix(name: string, suffix: string): string {
  const bare = trimDot(suffix.startsWith('.') ? suffix.slice(1) : suffix)
  const whole = trimDot(name)
  const end = `.${bare}`
  return bare !== '' && whole.length > end.length && whole.endsWith(end) ? whole.slice(0, -end.length) : whole
}

/** `tag:` and a letter, then letters, digits and hyphens. */
export function isTag(text: string): text is `tag:${string}` {
  return /^tag:[a-zA-Z][a-zA-Z0-9-]*$/.test(text)
}

/** `svc:` and a label. */
export function isServiceName(text: string): text is `svc:${string}` {
  return text.startsWith('svc:') && isValidLabel(text.slice(4))
}

function trimDot(name: string): string {
  return name.endsWith('.') ? name.slice(0, -1) : name
}

function byteLength(text: string): number {
  return utf8(text).length
}
