/** A small office with a policy as people write it, for tests of what is said about policies: places count. */

import { parseIp, prefix } from '../../src/base/ip.ts'
import type { Ip } from '../../src/base/ip.ts'
import { checkPolicy } from '../../src/policy/document/index.ts'
import { Engine } from '../../src/policy/engine.ts'
import type { AttributeValue } from '../../src/policy/policy.ts'
import type { PolicyNode, PolicyTailnet, PolicyUser } from '../../src/policy/tailnet.ts'

export const POLICY = `{
  "groups": {
    "group:dev": [
      "ann@example.com",
    ],
    "group:old": ["bob@example.com"],
    "group:later": ["dee@example.com"],
  },
  "tagOwners": {"tag:db": ["group:dev"], "tag:web": ["group:later"], "tag:router": [], "tag:spare": []},
  "hosts": {"office": "10.1.0.0/16", "attic": "10.2.0.0/16"},
  "ipsets": {"ipset:none": ["10.3.0.0/16"]},
  "postures": {
    "posture:safe": ["node:os == 'linux'", "custom:tier >= 2"],
    "posture:spare": ["custom:tier IS SET"],
  },
  "grants": [
    {"src": ["group:dev"], "dst": ["tag:db"], "ip": ["tcp:5432"]},
    {"src": ["autogroup:member"], "dst": ["office"], "ip": ["tcp:443"], "srcPosture": ["posture:safe"]},
    {"src": ["autogroup:member"], "dst": ["autogroup:self"], "ip": ["*"]},
    {"src": ["group:dev"], "dst": ["autogroup:internet"], "ip": ["*"]},
    {"src": ["*"], "dst": ["tag:web"], "ip": ["tcp:443"]},
    {"src": ["ann@example.com"], "dst": ["tag:web"], "ip": ["443"]},
    {"src": ["ann@example.com"], "dst": ["tag:db"], "ip": ["tcp:5432"]},
    {"src": ["group:later"], "dst": ["tag:db"], "ip": ["*"]},
  ],
  "ssh": [
    {"action": "check", "src": ["autogroup:member"], "dst": ["autogroup:self"], "users": ["autogroup:nonroot"]},
  ],
}
`

const user = (id: number, login: string, role: PolicyUser['role'] = 'member'): PolicyUser => ({ id, login, role })
const ann = user(1, 'ann@example.com', 'owner')
const bob = user(2, 'bob@example.com')

export function ip(text: string): Ip {
  const parsed = parseIp(text)
  if (parsed === undefined) throw new TypeError(`Not an address: ${text}`)
  return parsed
}

interface Machine {
  readonly user?: PolicyUser
  readonly tags?: readonly string[]
  readonly routes?: readonly string[]
  readonly attributes?: Readonly<Record<string, AttributeValue>>
}

const MACHINES: Readonly<Record<string, Machine>> = {
  'ann-laptop': { attributes: { 'node:os': 'linux', 'custom:tier': 3 } },
  'bob-phone': { user: bob, attributes: { 'node:os': 'ios' } },
  'bob-laptop': { user: bob, attributes: { 'node:os': 'linux', 'custom:tier': 1 } },
  'db-1': { tags: ['tag:db'] },
  'web-1': { tags: ['tag:web'] },
  'router-1': { tags: ['tag:router'], routes: ['10.1.0.0/16'] },
  'exit-1': { tags: ['tag:router'], routes: ['0.0.0.0/0', '::/0'] },
}

const nodes = Object.entries(MACHINES).map(([, { user: owner = ann, tags = [], routes = [], attributes = {} }], i) => ({
  slot: i,
  id: i + 1,
  user: owner,
  tags,
  ipv4: ip(`100.64.0.${i + 1}`),
  ipv6: ip(`fd7a:115c:a1e0::${i + 1}`),
  routes: routes.map(prefix),
  online: true,
  attributes: new Map(Object.entries(attributes)),
}))

export const TAILNET: PolicyTailnet = { users: [ann, bob], nodes }

export function node(name: string): PolicyNode {
  const found = nodes[Object.keys(MACHINES).indexOf(name)]
  if (found === undefined) throw new TypeError(`No such machine: ${name}`)
  return found
}

export function nameOf(id: number): string {
  return Object.keys(MACHINES)[id - 1] ?? String(id)
}

export function engineOf(text: string): Engine {
  return new Engine(
    checkPolicy(text, { domains: new Set(['example.com']), logins: new Set([ann.login, bob.login]) }),
    nodes,
  )
}
