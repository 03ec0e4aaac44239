/** A small tailnet, and policies written as objects, for tests of what policies do. */

import { parseIp, prefix } from '../../src/base/ip.ts'
import type { Ip } from '../../src/base/ip.ts'
import { checkPolicy } from '../../src/policy/document/index.ts'
import type { AttributeValue, Policy } from '../../src/policy/policy.ts'
import type { PolicyNode, PolicyTailnet, PolicyUser, Role } from '../../src/policy/tailnet.ts'
import { runTests } from '../../src/policy/tests/index.ts'
import type { TestFailure } from '../../src/policy/tests/index.ts'

function user(id: number, login: string, role: Role = 'member'): PolicyUser {
  return { id, login, role }
}
const ann = user(1, 'ann@example.com', 'owner')
const bob = user(2, 'bob@example.com')
/** Has no device. */
const cy = user(3, 'cy@example.org')
const users = [ann, bob, cy]

function ip(text: string): Ip {
  const parsed = parseIp(text)
  if (parsed === undefined) throw new TypeError(`Not an address: ${text}`)
  return parsed
}

interface Machine {
  readonly user?: PolicyUser
  readonly tags?: readonly string[]
  readonly routes?: readonly string[]
  readonly os?: string
}

/** The n-th machine has 100.64.0.n and fd7a:115c:a1e0::n, the latter in hexadecimal digits. */
function machine(n: number, slot: number, { user: owner = ann, tags = [], routes = [], os }: Machine): PolicyNode {
  return {
    slot,
    id: n,
    user: owner,
    tags,
    ipv4: ip(`100.64.0.${n}`),
    ipv6: ip(`fd7a:115c:a1e0::${n.toString(16)}`),
    routes: routes.map(prefix),
    online: true,
    attributes: new Map<string, AttributeValue>(os === undefined ? [] : [['node:os', os]]),
  }
}

export const MESH: PolicyTailnet = {
  users,
  nodes: [
    machine(1, 0, { os: 'macos' }),
    machine(2, 1, { os: 'linux' }),
    machine(3, 3, { user: bob }),
    machine(17, 4, { tags: ['tag:web'] }),
    machine(18, 5, { tags: ['tag:web'] }),
    machine(33, 6, { tags: ['tag:db'] }),
    machine(49, 7, { tags: ['tag:router'], routes: ['10.33.0.0/16'] }),
    machine(50, 8, { tags: ['tag:exit'], routes: ['0.0.0.0/0', '::/0'] }),
  ],
}

/** Sections of a policy, as in its text. */
export type Sections = Readonly<Record<string, unknown>>

const NAMES: Sections = {
  groups: {
    'group:ops': ['ann@example.com', 'bob@example.com'],
    'group:dev': ['cy@example.org'],
    'group:half': ['cy@example.org', 'dee@example.org'],
    'group:later': ['dee@example.org'],
    'group:empty': [],
  },
  tagOwners: Object.fromEntries(
    ['web', 'db', 'router', 'exit', 'new', 'newer'].map((tag) => [`tag:${tag}`, [ann.login]]),
  ),
  hosts: { 'ann-laptop': '100.64.0.1', 'web-1': '100.64.0.17', office: '10.33.0.0/16' },
}

/** The policy with these sections, and with names for what is in the tailnet. */
export function checked(sections: Sections): Policy {
  const known = { domains: new Set(['example.com', 'example.org']), logins: new Set(users.map(({ login }) => login)) }
  return checkPolicy(JSON.stringify({ ...NAMES, ...sections }), known)
}

/** The tests of the policy that fail. */
export function failures(sections: Sections): TestFailure[] {
  return runTests(checked(sections), MESH)
}

export function accept(src: readonly string[], dst: readonly string[], more: Sections = {}): Sections {
  return { acls: [{ action: 'accept', src, dst, ...more }] }
}

export function grant(one: Sections): Sections {
  return { grants: [one] }
}
