/**
 * What whoever writes a policy should know of it, beside what is wrong with it. Only `check` tells these: the service
 * whose answers the other routes copy knows no such notes.
 */

import type { Policy, PolicyWarning } from '../../policy/policy.ts'

export function notesOn({ allowAll, ssh }: Policy): PolicyWarning[] {
  const notes: PolicyWarning[] = []
  if (allowAll)
    notes.push({
      about: 'grants',
      text: 'there are neither grants nor acls, which allows everything between all devices; "grants": [] allows nothing',
      at: { line: 1, column: 1 },
    })
  const check = ssh.find(({ action }) => action === 'check')
  if (check !== undefined)
    notes.push({
      about: 'ssh',
      text: 'this server answers no SSH checks yet, so that logins which a rule with "check" decides on are refused; "accept" lets in unasked',
      at: check.at,
    })
  return notes
}
