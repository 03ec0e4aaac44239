/** `ipsets`: sets of addresses that are built step by step, without going round in circles. (policy.md §9) */

import { parseIp } from '../../base/ip.ts'
import { quoteText } from '../hujson/errors.ts'
import type { IpSetStep, Place } from '../policy.ts'
import { mapped } from '../steps.ts'
import type { Pace, Steps } from '../steps.ts'
import type { Names } from './names.ts'
import type { Part, Written } from './part.ts'
import { PolicyRefusal } from './refusal.ts'
import { readPrefix } from './selectors.ts'

type Target = IpSetStep['target']

/** How many sets may lie one in another: whoever computes them may recurse. */
const MAX_NESTING = 100
const WANTED = 'want an address, a prefix, a range "a-b", "host:name", "ipset:name" or "autogroup:internet"'

export function* readIpSets(section: Part, names: Names): Steps<ReadonlyMap<string, readonly IpSetStep[]>> {
  const ipsets = new Map<string, readonly IpSetStep[]>()
  const places = new Map<string, Place>()
  for (const { name, at, value } of yield* section.entries()) {
    if (section.pace.spent()) yield
    if (!/^ipset:[^\s@:/,]+$/.test(name))
      throw new PolicyRefusal(`${value.what}: an ipset must be named "ipset:" and a name without blanks`, at)
    const written = value.isNull ? [] : yield* value.words()
    const steps = yield* mapped(written, section.pace, (word) => readStep(word, value, names))
    const bare = written.find(({ text }) => !/^(add|remove)\s/.test(text))
    if (bare !== undefined && steps.some(({ op }) => op === 'remove'))
      throw new PolicyRefusal(
        `${value.what}: ${quoteText(bare.text)}: say "add" or "remove" in every entry where one of them removes`,
        bare.at,
      )
    ipsets.set(name, steps)
    places.set(name, at)
  }
  yield* refuseCycles(ipsets, places, section.pace)
  return ipsets
}

function readStep({ text, at }: Written, set: Part, names: Names): IpSetStep {
  const [, op, name = ''] = /^(?:(add|remove)\s+)?(.*)$/s.exec(text) ?? []
  const target = readTarget(name, names)
  if (typeof target === 'string') throw new PolicyRefusal(`${set.what}: ${target}`, at)
  return { at, op: op === 'remove' ? 'remove' : 'add', target }
}

function readTarget(text: string, { hosts, ipsets }: Names): Target | string {
  if (text === 'autogroup:internet') return { kind: 'internet' }
  if (text.startsWith('ipset:'))
    return ipsets.has(text) ? { kind: 'ipset', ipset: text } : `ipset not found: ${quoteText(text)}`
  const host = hosts.get(text.startsWith('host:') ? text.slice('host:'.length) : text)
  if (host !== undefined) return { kind: 'prefix', prefix: host.prefix }
  if (text.startsWith('host:')) return `host not found: ${quoteText(text)}`
  const prefix = readPrefix(text)
  if (prefix !== undefined) return { kind: 'prefix', prefix }
  const [from = '', to = '', ...more] = text.split('-')
  const [first, last] = [parseIp(from.trim()), parseIp(to.trim())]
  if (
    more.length > 0 ||
    first === undefined ||
    last === undefined ||
    first.zone !== undefined ||
    last.zone !== undefined
  )
    return `${quoteText(text)}: ${WANTED}`
  if (first.family !== last.family || first.value > last.value)
    return `${quoteText(text)}: the first address must not be behind the last, nor of another family`
  return { kind: 'range', family: first.family, first: first.value, last: last.value }
}

/** Visits each set once, innermost first. */
function* refuseCycles(
  ipsets: ReadonlyMap<string, readonly IpSetStep[]>,
  places: ReadonlyMap<string, Place>,
  pace: Pace,
): Steps<void> {
  const depths = new Map<string, number>()
  for (const root of ipsets.keys()) {
    const path: { readonly name: string; readonly inner: string[]; depth: number }[] = []
    const onPath = new Set<string>()
    const enter = (name: string): void => {
      onPath.add(name)
      path.push({ name, inner: innerOf(ipsets.get(name) ?? []), depth: 1 })
    }
    if (!depths.has(root)) enter(root)
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      if (pace.spent()) yield
      const name = top.inner.pop()
      const known = name === undefined ? undefined : depths.get(name)
      if (name === undefined) {
        path.pop()
        onPath.delete(top.name)
        depths.set(top.name, top.depth)
        const outer = path.at(-1)
        if (outer !== undefined) outer.depth = Math.max(outer.depth, top.depth + 1)
      } else if (known !== undefined) top.depth = Math.max(top.depth, known + 1)
      else if (onPath.has(name))
        throw new PolicyRefusal(
          `ipsets[${quoteText(top.name)}]: ${quoteText(name)}: ipsets cannot be recursive`,
          places.get(top.name),
        )
      else enter(name)
      if (top.depth > MAX_NESTING || path.length > MAX_NESTING)
        throw new PolicyRefusal(
          `ipsets[${quoteText(top.name)}]: ipsets must not be nested deeper than ${MAX_NESTING} levels`,
          places.get(top.name),
        )
    }
  }
}

function innerOf(steps: readonly IpSetStep[]): string[] {
  return steps.flatMap(({ target }) => (target.kind === 'ipset' ? [target.ipset] : []))
}
