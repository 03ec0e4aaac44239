/**
 * What a node keeps between its runs: bytes by key, in one JSON object whose values are base64 (node.md §12). Keeping
 * it on a disk is io/state-file.ts.
 */

import { fromBase64, textOf, utf8 } from '../../base/bytes.ts'
import type { Bytes, Dice } from '../../base/bytes.ts'
import { MeshError } from '../../base/errors.ts'
import { mapOf, readObject, readText } from '../../base/go-json.ts'
import { PrivateKey } from '../../base/keys.ts'
import { generateKey } from '../../crypto/primitives.ts'

export const MACHINE_KEY = '_machinekey'
export const PROFILES = '_profiles'
export const CURRENT_PROFILE = '_current-profile'

export type State = ReadonlyMap<string, Bytes>

/** What is to be kept from now on, by key; `null`: nothing. All of it, or after a crash none of it. */
export type StateWrites = ReadonlyMap<string, Bytes | null>

/** Many times what the largest preferences of many profiles take. */
export const STATE_BYTES_MAX = 16 << 20

/** An empty file is an empty state. Throws MeshError `store/corrupt`. */
export function decodeState(bytes: Bytes): Map<string, Bytes> {
  const state = new Map<string, Bytes>()
  if (bytes.length === 0) return state
  try {
    const json = textOf(bytes) ?? ''
    readObject(json, { what: 'state', maxLength: STATE_BYTES_MAX, maxDepth: 1 })
    for (const [key, text] of mapOf(readText)(JSON.parse(json), 'state')) {
      const value = fromBase64(text)
      if (value === undefined) throw new MeshError('json/malformed', 'Cannot read JSON: state: want base64')
      state.set(key, value)
    }
  } catch (cause) {
    throw new MeshError('store/corrupt', 'Cannot read the state file: it is damaged', { cause })
  }
  return state
}

export function encodeState(state: State): Uint8Array<ArrayBuffer> {
  const entries = [...state].map(([key, value]) => [key, value.toBase64()] as const)
  return utf8(`${JSON.stringify(Object.fromEntries(entries), undefined, 2)}\n`)
}

/** The state with the writes done. */
export function stateAfter(state: State, writes: StateWrites): Map<string, Bytes> {
  const after = new Map(state)
  for (const [key, value] of writes)
    if (value === null) after.delete(key)
    else after.set(key, value)
  return after
}

/** The machine's key, made if there is none; then there is something to keep. Throws MeshError `store/corrupt`. */
export function machineKeyIn(state: State, dice: Dice): { readonly key: PrivateKey; readonly writes: StateWrites } {
  const kept = state.get(MACHINE_KEY)
  if (kept === undefined) {
    const key = generateKey(dice)
    return { key, writes: new Map([[MACHINE_KEY, utf8(key.revealText())]]) }
  }
  try {
    return { key: PrivateKey.parse(textOf(kept) ?? ''), writes: new Map() }
  } catch (cause) {
    // A new one would be another machine, without anybody having asked for it.
    throw new MeshError('store/corrupt', 'Cannot read the state file: its machine key is damaged', { cause })
  }
}
