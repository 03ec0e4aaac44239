/**
 * Which account of this machine is at the server's socket, and who logged in behind it: the audit log names people, and
 * `root` is nobody in particular.
 */

import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import type { Account } from '../model/actors.ts'
import type { Peer } from './peer-credentials.ts'

/** What the kernel gives a process that nobody logged in for: the login uid that is not set. */
const NOBODY = 0xffff_ffff

export interface Accounts {
  /** Text of a file; `undefined` when there is none. */
  readonly read: (path: string) => string | undefined
  readonly host: string
}

const HERE: Accounts = { read: readText, host: hostname() }

/**
 * Names the account. On Linux the login uid of the process survives `sudo` and `su`, so it says who typed the command;
 * elsewhere, and where nobody logged in, the account itself is all there is.
 */
export function accountOf({ uid, pid }: Peer, { read, host }: Accounts = HERE): Account {
  const name = nameOf(uid, read)
  const text = pid === undefined || pid === 0 ? undefined : read(`/proc/${pid}/loginuid`)
  const login = text === undefined || !/^\d+$/.test(text.trim()) ? NOBODY : Number(text)
  return {
    uid,
    name,
    host,
    ...(login === NOBODY || login === uid ? {} : { login: { uid: login, name: nameOf(login, read) } }),
  }
}

/** Accounts of a directory service are not in the file; their number names them as surely. */
function nameOf(uid: number, read: Accounts['read']): string {
  for (const line of (read('/etc/passwd') ?? '').split('\n')) {
    const [name = '', , id] = line.split(':')
    if (name !== '' && id === String(uid)) return name
  }
  return `uid-${uid}`
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
