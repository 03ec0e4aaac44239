/** The server's Noise key, from its answer to `GET /key` (control.md §2). */

import { MeshError } from '../../base/errors.ts'
import { readObject, textAs } from '../../base/go-json.ts'
import { isZeroKey, readMachineKey } from '../../base/keys.ts'
import type { MachineKey } from '../../base/keys.ts'
import type { Fetched } from './actions.ts'

const ANSWER_MAX = 64 << 10

/** The key, or why there is none. */
export function parseKeyAnswer(result: Fetched): { readonly key: MachineKey } | string {
  if ('failed' in result) return `cannot fetch the server's key: ${result.failed}`
  if (result.status !== 200) return `cannot fetch the server's key: http ${result.status}`
  try {
    const fields = readObject(result.body, { what: "the server's key", maxLength: ANSWER_MAX })
    const key = fields.optional('publicKey', textAs(readMachineKey, 'a machine key'))
    return key === undefined || isZeroKey(key) ? 'the server has no key' : { key }
  } catch (error) {
    if (error instanceof MeshError) return error.message
    throw error
  }
}
