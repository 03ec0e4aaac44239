/**
 * `tests` and `sshTests`: their shapes only. Who or what a test names is looked up when it runs, and a test that names
 * nobody fails then; only destinations that no SSH test can have are refused here. (policy.md §8)
 */

import type { AccessTest, AttributeValue, Policy, SshTest } from '../policy.ts'
import { refuseSshTarget } from '../tests/ssh-targets.ts'
import { fieldNames } from './part.ts'
import type { Part } from './part.ts'
import { PolicyRefusal } from './refusal.ts'

const FIELDS = fieldNames('src', 'user', 'accept', 'allow', 'deny', 'proto', 'srcPostureAttrs')
const SSH_FIELDS = fieldNames('src', 'dst', 'accept', 'check', 'deny', 'srcPostureAttrs')

export function readTests(section: Part): AccessTest[] {
  return section.list().map((part) => {
    const fields = part.fields(FIELDS)
    const proto = fields.get('proto')?.string().trim()
    const attributes = readAttributes(fields.get('srcPostureAttrs'))
    return {
      at: fields.at,
      src: fields.either('src', 'user')?.string() ?? '',
      ...(proto === undefined ? {} : { proto }),
      accept: fields.either('accept', 'allow')?.verbatim() ?? [],
      deny: fields.verbatim('deny'),
      ...(attributes === undefined ? {} : { attributes }),
    }
  })
}

export function readSshTests(section: Part, policy: Pick<Policy, 'tagOwners'>): SshTest[] {
  return section.list().map((part) => {
    const fields = part.fields(SSH_FIELDS)
    const dst = fields.verbatim('dst')
    for (const { text, at } of dst) {
      const refused = refuseSshTarget(text, policy)
      if (refused !== undefined) throw new PolicyRefusal(refused, at)
    }
    const attributes = readAttributes(fields.get('srcPostureAttrs'))
    return {
      at: fields.at,
      src: fields.get('src')?.string() ?? '',
      dst,
      accept: fields.verbatim('accept').map(({ text }) => text),
      check: fields.verbatim('check').map(({ text }) => text),
      deny: fields.verbatim('deny').map(({ text }) => text),
      ...(attributes === undefined ? {} : { attributes }),
    }
  })
}

function readAttributes(part: Part | undefined): ReadonlyMap<string, AttributeValue> | undefined {
  return part && new Map(part.entries().map(({ name, value }) => [name, value.scalar()]))
}
