/**
 * Turns a HuJSON text into plain values that remember where they stood, so that whoever refuses one can say where.
 *
 * Names such as `__proto__` are names like others: objects have no prototype. Of members of one name the last counts, as
 * for Go's JSON reader; `duplicates` tells of the others.
 */

import type { Bytes } from '../../base/bytes.ts'
import type { HuMember, HuNode, HuObject, HuValue } from './ast.ts'
import { childAt } from './walk.ts'
import { isString, unquote } from './literal.ts'
import { pack } from './pack.ts'
import { parse } from './parse.ts'
import { positionsIn } from './position.ts'
import type { Position } from './position.ts'

export type Json = null | boolean | number | string | JsonArray | JsonObject
export type JsonArray = readonly Json[]
export interface JsonObject {
  readonly [name: string]: Json
}

/** A name that an object has twice. */
export interface Duplicate {
  readonly name: string
  /** The offset of the earlier member's name. */
  readonly first: number
  /** The offset of the later member's name. */
  readonly again: number
}

export interface Reading {
  readonly tree: HuValue
  readonly value: Json
  /** In the order of the text. */
  readonly duplicates: readonly Duplicate[]
  /** Where an offset of the tree stands. */
  readonly position: (offset: number) => Position
  /**
   * Where an element or a member's value starts; without a key, where the object or array itself does. `undefined` for
   * what isn't of this reading.
   */
  readonly positionOf: (holder: JsonObject | JsonArray, key?: string | number) => Position | undefined
  /** Where a member's name starts. */
  readonly positionOfName: (holder: JsonObject, name: string) => Position | undefined
}

/** @throws HuJsonError */
export function read(input: string | Bytes): Reading {
  return readTree(parse(input))
}

/** The same of a tree whose offsets are those of its text, as of one that `parse` or `patch` returned. */
export function readTree(tree: HuValue): Reading {
  const position = positionsIn(pack(tree))
  const sources = new Map<object, HuValue>()
  const duplicates: Duplicate[] = []
  const value = build(tree, sources, duplicates)
  const byName = new Map<HuObject, Map<string, HuMember>>()
  const memberOf = (node: HuObject, name: string): HuMember | undefined => {
    let members = byName.get(node)
    if (members === undefined) {
      // Later members take the place of earlier ones of their name.
      members = new Map(node.members.map((member) => [textOfName(member.name), member]))
      byName.set(node, members)
    }
    return members.get(name)
  }
  const locate = (found: HuValue | undefined): Position | undefined => found && position(found.start)
  return {
    tree,
    value,
    duplicates,
    position,
    positionOf(holder, key) {
      const source = sources.get(holder)
      if (source === undefined || key === undefined) return locate(source)
      const { node } = source
      if (node.kind === 'array') return locate(node.elements[Number(key)])
      return locate(node.kind === 'object' ? memberOf(node, String(key))?.value : undefined)
    },
    positionOfName(holder, name) {
      const node = sources.get(holder)?.node
      return locate(node?.kind === 'object' ? memberOf(node, name)?.name : undefined)
    },
  }
}

function textOfName({ node }: HuValue): string {
  return node.kind === 'literal' ? unquote(node.text) : ''
}

interface Frame {
  readonly node: HuNode
  readonly holder: Json[] | Record<string, Json>
  /** Of an object: the names it has had. */
  readonly names: Map<string, HuValue> | undefined
  next: number
}

/** Builds the value without recursion. */
function build(tree: HuValue, sources: Map<object, HuValue>, duplicates: Duplicate[]): Json {
  const opened: Frame[] = []
  const make = (value: HuValue): Json => {
    const { node } = value
    if (node.kind === 'literal') return scalar(node.text)
    const holder: Frame['holder'] = node.kind === 'array' ? [] : (Object.create(null) as Record<string, Json>)
    sources.set(holder, value)
    opened.push({ node, holder, names: node.kind === 'array' ? undefined : new Map(), next: 0 })
    return holder
  }
  const made = make(tree)
  for (let frame = opened.at(-1); frame !== undefined; frame = opened.at(-1)) {
    const child = childAt(frame.node, frame.next++)
    if (child === undefined) opened.pop()
    else if (Array.isArray(frame.holder)) frame.holder.push(make(child))
    else {
      const name = textOfName(child)
      const first = frame.names?.get(name)
      if (first !== undefined) duplicates.push({ name, first: first.start, again: child.start })
      frame.names?.set(name, child)
      frame.holder[name] = make(childAt(frame.node, frame.next++) as HuValue)
    }
  }
  return made
}

function scalar(text: string): Json {
  if (isString(text)) return unquote(text)
  return text === 'null' ? null : text === 'true' ? true : text === 'false' ? false : Number(text)
}
