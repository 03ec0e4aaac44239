/**
 * `tests` and `sshTests`: their shapes only. Who or what a test names is looked up when it runs, and a test that names
 * nobody fails then; only destinations that no SSH test can have are refused here. (policy.md §8)
 */

import type { AccessTest, AttributeValue, Policy, SshTest } from '../policy.ts'
import type { Steps } from '../steps.ts'
import { refuseSshTarget } from '../tests/ssh-targets.ts'
import { fieldNames } from './part.ts'
import type { Part } from './part.ts'
import { PolicyRefusal } from './refusal.ts'

const FIELDS = fieldNames('src', 'user', 'accept', 'allow', 'deny', 'proto', 'srcPostureAttrs')
const SSH_FIELDS = fieldNames('src', 'dst', 'accept', 'check', 'deny', 'srcPostureAttrs')

export function readTests(section: Part): Steps<AccessTest[]> {
  return section.each(function* (part) {
    const fields = part.fields(FIELDS)
    const proto = fields.get('proto')?.string().trim()
    const attributes = yield* readAttributes(fields.get('srcPostureAttrs'))
    const src = fields.either('src', 'user')?.string() ?? ''
    const accept = fields.either('accept', 'allow')
    return {
      at: fields.at,
      src,
      ...(proto === undefined ? {} : { proto }),
      accept: accept === undefined ? [] : yield* accept.verbatim(),
      deny: yield* fields.verbatim('deny'),
      ...(attributes === undefined ? {} : { attributes }),
    }
  })
}

export function readSshTests(section: Part, policy: Pick<Policy, 'tagOwners'>): Steps<SshTest[]> {
  return section.each(function* (part) {
    const fields = part.fields(SSH_FIELDS)
    const dst = yield* fields.verbatim('dst')
    for (const { text, at } of dst) {
      const refused = refuseSshTarget(text, policy)
      if (refused !== undefined) throw new PolicyRefusal(refused, at)
    }
    const attributes = yield* readAttributes(fields.get('srcPostureAttrs'))
    return {
      at: fields.at,
      src: fields.get('src')?.string() ?? '',
      dst,
      accept: (yield* fields.verbatim('accept')).map(({ text }) => text),
      check: (yield* fields.verbatim('check')).map(({ text }) => text),
      deny: (yield* fields.verbatim('deny')).map(({ text }) => text),
      ...(attributes === undefined ? {} : { attributes }),
    }
  })
}

function* readAttributes(part: Part | undefined): Steps<ReadonlyMap<string, AttributeValue> | undefined> {
  return part && new Map((yield* part.entries()).map(({ name, value }) => [name, value.scalar()]))
}
