/**
 * Hostile JSON: good messages with members exchanged, renamed, doubled and taken away, as texts, so that they can say
 * what no JavaScript value says: `1e999`, `-0`, the same name twice, half a character, a thousand levels.
 */

import * as fc from 'fast-check'
import { utf8 } from '../../src/base/bytes.ts'
import { bytesLike, STRANGE } from './shapes.ts'

/** A piece of JSON: a token as it stands in the text, or a list, or members whose names may repeat. */
type Tree = string | { list: Tree[] } | { members: [name: string, value: Tree][] }

/** Values that somebody's parser has stumbled over. */
const TOKENS: readonly string[] = [
  'null',
  'true',
  'false',
  '0',
  '-0',
  '-1',
  '1.0',
  '1e0',
  '0.5',
  '1e308',
  '1e999',
  '-1e999',
  '1e-999',
  '2147483648',
  '-2147483649',
  '4294967296',
  '9007199254740991',
  '9007199254740993',
  '18446744073709551616',
  '9'.repeat(5000),
  '[]',
  '{}',
  '""',
  '[null]',
  '[[]]',
  '[{}]',
  '{"":""}',
  '{"__proto__":{"polluted":1}}',
  '{"constructor":{"prototype":{"polluted":1}}}',
  '"__proto__"',
  '"\\ud800"',
  '"\\udc00\\ud800"',
  '"\\u0000"',
  '"\\\\u0000"',
  '"\\u2028"',
  '"1"',
  '"true"',
  '"0001-01-01T00:00:00Z"',
  '"9999-12-31T23:59:59-23:59"',
  '"0000-01-01T00:00:00Z"',
  '"2026-02-30T00:00:00Z"',
  '"fe80::1%eth0"',
  '"[2001:db8::1%x]:1"',
  '"0.0.0.0/0"',
  '"::/0"',
  '"10.0.0.1/8"',
  '"::ffff:10.0.0.0/104"',
  '"1.2.3.4:0"',
  `"nodekey:${'0'.repeat(64)}"`,
  `"nodekey:${'F'.repeat(64)}"`,
  `"${'x'.repeat(1025)}"`,
  `"${'é'.repeat(70_000)}"`,
  `[${'{},'.repeat(3000)}{}]`,
  `${'['.repeat(40)}${']'.repeat(40)}`,
  `${'['.repeat(20_000)}${']'.repeat(20_000)}`,
  `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`,
  `{${Array.from({ length: 2000 }, (_, i) => `"k${i}":${i}`).join()}}`,
  '"unended',
  '[1,',
  'nul',
  'NaN',
  '+1',
  '01',
  '\u0001',
  ...STRANGE.map((text) => JSON.stringify(text)),
]

const NAMES: readonly string[] = [
  '__proto__',
  'constructor',
  'toString',
  'length',
  '',
  '\\u0000',
  '\\ud800',
  'S',
  'NODEKEY',
  'x'.repeat(3000),
]

const edit = fc.record({
  kind: fc.constantFrom('value', 'value', 'value', 'name', 'double', 'drop', 'wrap', 'other'),
  at: fc.nat(),
  token: fc.constantFrom(...TOKENS),
  name: fc.constantFrom(...NAMES),
})
type Edit = { readonly kind: string; readonly at: number; readonly token: string; readonly name: string }

/** Texts of JSON like the given values. */
export function jsonLike(corpus: readonly unknown[]): fc.Arbitrary<string> {
  const good = fc.constantFrom(...corpus)
  return fc.oneof(
    {
      weight: 8,
      arbitrary: fc.tuple(good, fc.array(edit, { minLength: 1, maxLength: 4 })).map(([value, edits]) => {
        const tree = treeOf(value)
        for (const one of edits) change(tree, one)
        return textOf(tree)
      }),
    },
    { weight: 1, arbitrary: good.map((value) => JSON.stringify(value)) },
    { weight: 1, arbitrary: fc.json() },
    { weight: 1, arbitrary: fc.constantFrom(...TOKENS) },
  )
}

/** The same as bytes, some of them damaged as bytes. */
export function jsonBytesLike(corpus: readonly unknown[]): fc.Arbitrary<Uint8Array> {
  return fc.oneof(
    { weight: 4, arbitrary: jsonLike(corpus).map((text) => utf8(text)) },
    { weight: 1, arbitrary: bytesLike(corpus.map((value) => utf8(JSON.stringify(value)))) },
  )
}

function treeOf(value: unknown): Tree {
  if (Array.isArray(value)) return { list: value.map(treeOf) }
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  return { members: Object.entries(value).map(([name, member]) => [name, treeOf(member)]) }
}

function textOf(tree: Tree): string {
  if (typeof tree === 'string') return tree
  if ('list' in tree) return `[${tree.list.map(textOf).join()}]`
  // Names that stand in NAMES are escaped already.
  const members = tree.members.map(
    ([name, value]) => `${NAMES.includes(name) ? `"${name}"` : JSON.stringify(name)}:${textOf(value)}`,
  )
  return `{${members.join()}}`
}

/** Every place where a value stands: what holds it, and where in it. */
function placesIn(tree: Tree, places: (readonly [holder: Exclude<Tree, string>, index: number])[] = []) {
  if (typeof tree === 'string') return places
  const children = 'list' in tree ? tree.list : tree.members.map(([, value]) => value)
  for (const [i, child] of children.entries()) {
    places.push([tree, i])
    placesIn(child, places)
  }
  return places
}

function change(tree: Tree, { kind, at, token, name }: Edit): void {
  const places = placesIn(tree)
  if (places.length === 0) return
  const [holder, i] = places[at % places.length] as (typeof places)[number]
  const set = (value: Tree) => {
    if ('list' in holder) holder.list[i] = value
    else (holder.members[i] as [string, Tree])[1] = value
  }
  const now = ('list' in holder ? holder.list[i] : holder.members[i]?.[1]) as Tree
  if (kind === 'value') set(token)
  else if (kind === 'wrap') set({ list: [now, token] })
  else if (kind === 'other') {
    const [other, j] = places[(at * 7) % places.length] as (typeof places)[number]
    const taken = ('list' in other ? other.list[j] : other.members[j]?.[1]) as Tree
    // A tree in itself would have no end.
    set(textOf(taken))
  } else if ('list' in holder) {
    if (kind === 'drop') holder.list.splice(i, 1)
    else holder.list.splice(i, 0, kind === 'double' ? textOf(now) : token)
  } else {
    const member = holder.members[i] as [string, Tree]
    if (kind === 'name') member[0] = at % 3 === 0 ? member[0].toUpperCase() : name
    else if (kind === 'double') holder.members.push([at % 2 === 0 ? member[0] : member[0].toLowerCase(), token])
    else holder.members.splice(i, 1)
  }
}
