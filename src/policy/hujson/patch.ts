/**
 * Applies RFC 6902 patches and keeps the comments (policy.md §1.1): they go, come and move with the items they belong
 * to (ownership.ts). Nothing is indented anew; formatting is format.ts's.
 */

import type { Bytes } from '../../base/bytes.ts'
import type { HuNode, HuValue } from './ast.ts'
import { copyOf, withoutBareCommas } from './copy.ts'
import { sameMeaning } from './equal.ts'
import { quoteText } from './errors.ts'
import { countOf, gapAt, setGap, valueAt } from './items.ts'
import type { Composite } from './items.ts'
import { quote } from './literal.ts'
import {
  endOfOwned,
  joinGaps,
  ownedBefore,
  setOwnedAfter,
  setOwnedBefore,
  startOfOwned,
  withoutOwned,
} from './ownership.ts'
import { parse } from './parse.ts'
import { failed, readOperations } from './patch-operations.ts'
import type { Operation } from './patch-operations.ts'
import { locate } from './pointer.ts'
import type { Place } from './pointer.ts'

/** A value on its way, with the comments that belong to it. */
interface Parcel {
  readonly node: HuNode
  readonly leading: string
  /** Blanks alone when its line ended there; `undefined` when nothing says that it did. */
  readonly trailing: string | undefined
}

const NULL: HuNode = { kind: 'literal', text: 'null' }

/**
 * The tree as patched; the given one stays as it is.
 *
 * @param operations a JSON array of operations; may be HuJSON, whose comments around values come along
 * @throws HuJsonError when the patch isn't HuJSON; HuJsonPatchError when it can't be applied, with the reference's message
 */
export function patch(value: HuValue, operations: string | Bytes): HuValue {
  const read = readOperations(parse(operations))
  const patching = new Patching(copyOf(value))
  read.forEach((operation, index) => patching.apply(operation, index))
  // Read again, so that offsets are those of the new text.
  return copyOf(patching.root)
}

class Patching {
  readonly root: HuValue
  /** Values that were last, with a comma right behind, until something was added: removing that brings the comma back. */
  readonly #hadComma = new Set<HuValue>()
  /** Of the operation at work, for messages. */
  #index = 0

  constructor(root: HuValue) {
    this.root = root
  }

  apply(operation: Operation, index: number): void {
    this.#index = index
    const { path } = operation
    switch (operation.op) {
      case 'add':
        return this.#add(path, parcelOf(operation.holder, operation.at))
      case 'remove': {
        const { node, index: at } = this.#item(path, 'cannot remove root value')
        return this.#remove(node, at)
      }
      case 'replace': {
        const { node, index: at } = this.#item(path, 'cannot replace root value')
        return replace(node, at, parcelOf(operation.holder, operation.at))
      }
      case 'move': {
        const { from } = operation
        const refusal = `cannot move ${quoteText(from)} into ${quoteText(path)}`
        if (from === path || path.startsWith(`${from}/`)) throw this.#failed(refusal)
        const { node, index: at } = this.#item(from, refusal)
        const parcel = parcelOf(node, at)
        this.#remove(node, at)
        return this.#add(path, parcel)
      }
      case 'copy': {
        const { from } = operation
        const { node, index: at } = this.#item(from, `cannot copy ${quoteText(from)} into ${quoteText(path)}`)
        const parcel = parcelOf(node, at)
        return this.#add(path, { ...parcel, node: withoutBareCommas(valueOf(parcel.node, '')).node })
      }
      case 'test': {
        const place = this.#existing(path)
        const found = place.kind === 'root' ? this.root.node : place.value.node
        if (sameMeaning(found, parcelOf(operation.holder, operation.at).node)) return
        throw this.#failed(`values differ at ${quoteText(path)}`)
      }
    }
  }

  #failed(why: string): Error {
    return failed(this.#index, why)
  }

  /** Where a value is or could be. */
  #place(pointer: string): Exclude<Place, { kind: 'absent' | 'invalid' }> {
    const place = locate(this.root, pointer)
    if (place.kind === 'invalid') throw this.#failed(`invalid ${place.why}`)
    if (place.kind === 'absent') throw this.#failed('value not found')
    return place
  }

  #existing(pointer: string): Extract<Place, { kind: 'root' | 'item' }> {
    const place = this.#place(pointer)
    if (place.kind === 'free') throw this.#failed('value not found')
    return place
  }

  #item(pointer: string, ifRoot: string): Extract<Place, { kind: 'item' }> {
    const place = this.#existing(pointer)
    if (place.kind === 'root') throw this.#failed(ifRoot)
    return place
  }

  #add(pointer: string, parcel: Parcel): void {
    const place = this.#place(pointer)
    if (place.kind === 'root') {
      const { trailing } = parcel
      this.root.before = parcel.leading
      this.root.node = parcel.node
      this.root.after = trailing === undefined ? '' : endLine(trailing)
    } else {
      // An object has one member of a name; an array makes room.
      const isNew = place.kind === 'free' || place.node.kind === 'array'
      if (isNew) this.#insert(place.node, place.index, place.kind === 'free' ? place.name : '')
      replace(place.node, place.index, parcel)
    }
  }

  /** Makes room for an item. */
  #insert(node: Composite, index: number, name: string): void {
    const gap = gapAt(node, index)
    const before = setOwnedBefore(ownedBefore(gap), '')
    setGap(node, index, withoutOwned(gap))
    if (index === countOf(node)) {
      const last = valueAt(node, index - 1)
      if (last !== undefined && node.trailingComma) this.#hadComma.add(last)
      node.trailingComma = false
    }
    if (node.kind === 'array') node.elements.splice(index, 0, valueOf(NULL, before))
    else {
      const literal: HuNode = { kind: 'literal', text: quote(name) }
      node.members.splice(index, 0, { name: valueOf(literal, before), value: valueOf(NULL, '') })
    }
  }

  #remove(node: Composite, index: number): void {
    const before = gapAt(node, index)
    setGap(node, index + 1, joinGaps(before.slice(0, startOfOwned(before)), withoutOwned(gapAt(node, index + 1))))
    if (node.kind === 'array') node.elements.splice(index, 1)
    else node.members.splice(index, 1)
    if (index < countOf(node)) return
    const last = valueAt(node, index - 1)
    // What stands between the new last value and its comma would have no place without the comma.
    node.trailingComma = last !== undefined && (last.after !== '' || this.#hadComma.has(last))
  }
}

/** An item's value with its comments; they stay where they are, too. */
function parcelOf(node: Composite, index: number): Parcel {
  const before = gapAt(node, index)
  const after = gapAt(node, index + 1)
  const end = endOfOwned(after)
  return {
    node: (valueAt(node, index) as HuValue).node,
    leading: before.slice(startOfOwned(before)),
    trailing: end === undefined ? undefined : after.slice(0, end),
  }
}

function valueOf(node: HuNode, before: string): HuValue {
  return { before, start: 0, node, end: 0, after: '' }
}

/** Puts a value in the place of another, and its comments, if it has any, in the place of the other's. */
function replace(node: Composite, index: number, parcel: Parcel): void {
  ;(valueAt(node, index) as HuValue).node = parcel.node
  if (parcel.leading !== '') setGap(node, index, setOwnedAfter(gapAt(node, index), parcel.leading))
  if (parcel.trailing === undefined) return
  const trailing = parcel.trailing.includes('/') ? parcel.trailing : ''
  setGap(node, index + 1, setOwnedBefore(trailing, withoutOwned(gapAt(node, index + 1))))
}

/** What owned comments are at the end of a text. */
function endLine(owned: string): string {
  return owned.includes('/') ? setOwnedBefore(owned, '') : `${owned}\n`
}
