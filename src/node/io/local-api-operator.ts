/** The operator's user ID: the preference names a user, and `/etc/passwd` says who that is. */

import { readFileSync } from 'node:fs'

/**
 * @param operator name or number of a user; empty: there is none
 * @returns `undefined` for nobody, and for a name that this machine does not know
 */
export function operatorUid(operator: string, passwd = '/etc/passwd'): number | undefined {
  if (operator === '') return undefined
  if (/^\d{1,10}$/.test(operator)) return Number(operator)
  let lines: string[]
  try {
    lines = readFileSync(passwd, 'utf8').split('\n')
  } catch {
    return undefined
  }
  for (const line of lines) {
    const [name, , uid = ''] = line.split(':')
    if (name === operator && /^\d{1,10}$/.test(uid)) return Number(uid)
  }
  return undefined
}
