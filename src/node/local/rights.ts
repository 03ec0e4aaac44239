/**
 * Who may do what through the local API: decided by the user that the kernel names, and for each endpoint anew
 * (node.md §9).
 */

/** What an endpoint asks of its caller: `cert` is for those who may have certificates and nothing else. */
export type Need = 'nothing' | 'read' | 'write' | 'cert'

export interface Rights {
  readonly read: boolean
  readonly write: boolean
  readonly cert: boolean
}

export interface Owners {
  /** The daemon's own user. */
  readonly ownUid: number
  /** The preference OperatorUser, looked up. */
  readonly operatorUid?: number
  /** May have certificates. */
  readonly certUid?: number
}

const ROOT = 0
export const NO_RIGHTS: Rights = { read: false, write: false, cert: false }
const ALL_RIGHTS: Rights = { read: true, write: true, cert: true }

/** @param uid at the other end of the socket; `undefined`: the kernel would not say, so it is nobody */
export function rightsOf(uid: number | undefined, { ownUid, operatorUid, certUid }: Owners): Rights {
  if (uid === undefined) return NO_RIGHTS
  if (uid === ROOT || uid === ownUid || uid === operatorUid) return ALL_RIGHTS
  return { read: true, write: false, cert: uid === certUid }
}

export function mayDo(rights: Rights, need: Need): boolean {
  // Whoever may connect may read; who may not even that, gets nothing at all.
  if (!rights.read) return false
  if (need === 'write') return rights.write
  return need === 'cert' ? rights.write || rights.cert : true
}
