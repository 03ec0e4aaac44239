/** `/machine/register`: what a client asks (control.md §4.1) and what it is told (§4.2). */

import type { Wall } from '../base/clock.ts'
import { readInt32, readObject, textAs } from '../base/go-json.ts'
import type { Fields } from '../base/go-json.ts'
import { isZeroKey, readLockKey, readNodeKey } from '../base/keys.ts'
import type { LockKey, NodeKey } from '../base/keys.ts'
import { Secret } from '../base/secret.ts'
import { readHostinfo } from './hostinfo.ts'
import type { Hostinfo } from './hostinfo.ts'

/** Requests above this are refused unread. */
export const REQUEST_MAX = 1 << 20

export interface RegisterRequest {
  /** Capability version of the client. */
  readonly version: number
  readonly nodeKey: NodeKey
  /** A key that this profile once had; sent forever after, so it alone does not mean "rotating now". */
  readonly oldNodeKey?: NodeKey
  readonly lockKey?: LockKey
  readonly authKey?: Secret
  /** Absent when not set. In the past: log out. */
  readonly expiry?: Wall
  /** The login link of an earlier answer: hold this request until that login is decided. */
  readonly followup: string
  readonly hostinfo: Hostinfo
  readonly ephemeral: boolean
  /** Tailnet that the machine's management asks for; `required:` in front forbids any other. */
  readonly tailnet: string
}

/** Throws `json/malformed`. */
export function readRegisterRequest(body: Uint8Array): RegisterRequest {
  const fields = readObject(body, { what: 'RegisterRequest', maxLength: REQUEST_MAX })
  const nodeKey = readKey(fields, 'NodeKey')
  const oldNodeKey = readKey(fields, 'OldNodeKey')
  const lockKey = fields.optional('NLKey', textAs(readLockKey, 'a tailnet-lock key'))
  const authKey = fields.object('Auth')?.text('AuthKey').trim()
  const expiry = fields.time('Expiry')
  const hostinfo = fields.object('Hostinfo')
  return {
    version: fields.optional('Version', readInt32) ?? 0,
    nodeKey: nodeKey ?? ('nodekey:' as NodeKey),
    ...(oldNodeKey === undefined ? {} : { oldNodeKey }),
    ...(lockKey === undefined || isZeroKey(lockKey) ? {} : { lockKey }),
    ...(authKey ? { authKey: new Secret(authKey, 'auth key') } : {}),
    ...(expiry === undefined ? {} : { expiry }),
    followup: fields.text('Followup'),
    hostinfo: hostinfo === undefined ? {} : readHostinfo(hostinfo),
    ephemeral: fields.bool('Ephemeral'),
    tailnet: fields.text('Tailnet'),
  }
}

/** A node key; `undefined` when absent or zero, which clients send for "none". */
function readKey(fields: Fields, name: string): NodeKey | undefined {
  const key = fields.optional(name, textAs(readNodeKey, 'a node key'))
  return key === undefined || isZeroKey(key) ? undefined : key
}

/** Members that are left out mean zero to the client. */
export interface RegisterResponse {
  readonly User?: { readonly ID: number; readonly DisplayName: string }
  readonly Login?: {
    readonly ID: number
    readonly Provider: string
    readonly LoginName: string
    readonly DisplayName: string
    readonly ProfilePicURL?: string
  }
  readonly NodeKeyExpired?: boolean
  readonly MachineAuthorized?: boolean
  readonly AuthURL?: string
  /** Shown to the user as it is; everything else is then ignored. */
  readonly Error?: string
}
