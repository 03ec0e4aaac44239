/** Why a policy is not taken: what the API answers, and where in the text it is. */

import { MeshError } from '../../base/errors.ts'
import type { Place } from '../policy.ts'

/** What the API puts beside the message: which tests failed. */
export interface RefusalDetail {
  readonly user: string
  readonly errors: readonly string[]
}

/** Messages quote what was written, and that may be the whole of a large text. */
const MAX_MESSAGE = 2000

/** A policy that can't be in force. The message is the whole of what the API says. */
export class PolicyRefusal extends MeshError {
  /** 500 only where the hosted service answers so as well. */
  readonly status: 400 | 500
  readonly at?: Place
  readonly data?: readonly RefusalDetail[]

  constructor(
    message: string,
    at?: Place,
    {
      status = 400,
      data,
      cause,
    }: { readonly status?: 400 | 500; readonly data?: readonly RefusalDetail[]; readonly cause?: unknown } = {},
  ) {
    super('input/invalid', shortened(message), cause === undefined ? undefined : { cause })
    this.status = status
    if (at !== undefined) this.at = at
    if (data !== undefined) this.data = data
  }
}

function shortened(message: string): string {
  if (message.length <= MAX_MESSAGE) return message
  const half = MAX_MESSAGE / 2
  return `${message.slice(0, half).toWellFormed()}…${message.slice(-half).toWellFormed()}`
}
