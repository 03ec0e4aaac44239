/** A tailnet with Services, and with nodes that are shared to people of others, for tables by hand. */

import { prefix } from '../../src/base/ip.ts'
import type { Ip } from '../../src/base/ip.ts'
import { checkPolicy } from '../../src/policy/document/index.ts'
import { Engine } from '../../src/policy/engine.ts'
import type { Policy } from '../../src/policy/policy.ts'
import type { PolicyNode, PolicyService, PolicySharee } from '../../src/policy/tailnet.ts'
import { addressesAt, ip } from './generate.ts'

export const NAMES = ['ann', 'bob', 'web', 'web2', 'db', 'router', 'exit']
const TAGS: Readonly<Record<string, readonly string[]>> = {
  web: ['tag:web'],
  web2: ['tag:web'],
  db: ['tag:db'],
  router: ['tag:router'],
  exit: ['tag:exit'],
}
const ROUTES: Readonly<Record<string, readonly string[]>> = { router: ['10.33.0.0/16'], exit: ['0.0.0.0/0', '::/0'] }

function node(name: string, slot: number, login: string, id = slot + 1): PolicyNode {
  return {
    slot,
    id,
    user: { id: name === 'ann' ? 1 : name === 'bob' ? 2 : 90, login, role: 'member' },
    tags: TAGS[name] ?? [],
    routes: (ROUTES[name] ?? []).map(prefix),
    online: true,
    attributes: new Map(),
    readsSourceNames: true,
    ...addressesAt(slot),
  }
}
export const NODES = NAMES.map((name, slot) => node(name, slot, `${name === 'bob' ? 'bob' : 'ann'}@example.com`))
export const idOf = (name: string): number => NAMES.indexOf(name) + 1

/** `svc:web` is hosted twice, and by a device that has no tag; `svc:raw` takes anything; nobody hosts `svc:idle`. */
export const SERVICES: readonly PolicyService[] = [
  {
    name: 'svc:web',
    tags: ['tag:front'],
    ports: [
      { first: 80, last: 80 },
      { first: 443, last: 443 },
    ],
    hosts: ['web', 'web2', 'ann'].map(idOf),
    ...addressesAt(0x50),
  },
  {
    name: 'svc:raw',
    tags: ['tag:front', 'tag:db'],
    ports: 'do-not-validate',
    hosts: [idOf('db')],
    ...addressesAt(0x51),
  },
  { name: 'svc:idle', tags: [], ports: [{ first: 443, last: 443 }], hosts: [], ...addressesAt(0x52) },
]

/** Gina has been given web, the router and the exit, Hal the exit only, and not to go out through it. */
export const SHAREES: readonly PolicySharee[] = [
  {
    login: 'Gina@Other.com',
    devices: [node('gina', 60, 'Gina@Other.com', 1001)],
    shares: [
      { node: idOf('web'), exitNode: false },
      { node: idOf('router'), exitNode: true },
      { node: idOf('exit'), exitNode: true },
    ],
  },
  {
    login: 'hal@other.com',
    devices: [node('hal', 61, 'hal@other.com', 1002)],
    shares: [{ node: idOf('exit'), exitNode: false }],
  },
]
export const BEYOND = { services: SERVICES, sharees: SHAREES }
export const OUTSIDE: Readonly<Record<string, number>> = { gina: 60, hal: 61 }
const TAG_OWNERS = Object.fromEntries(['web', 'db', 'router', 'exit', 'front'].map((name) => [`tag:${name}`, []]))

export function read(document: object): Policy {
  const text = JSON.stringify({ tagOwners: TAG_OWNERS, ...document }, undefined, 1)
  return checkPolicy(text, {
    domains: new Set(['example.com']),
    logins: new Set(['ann@example.com', 'bob@example.com']),
  })
}
export const grant = (src: string, dst: string, ports = '*', more: object = {}): object => ({
  grants: [{ src: [src], dst: [dst], ip: [ports], ...more }],
})

/** A machine, a device of somebody else, a Service, each by IPv4 or, with `/6`, by the other address; or an address. */
export function addressOf(text: string): Ip {
  const [name = '', family] = text.split('/')
  const service = SERVICES.find((one) => one.name === name)
  const slot = OUTSIDE[name] ?? NAMES.indexOf(name)
  if (service === undefined && slot < 0) return ip(text)
  const own = service ?? addressesAt(slot)
  return family === '6' ? own.ipv6 : own.ipv4
}
export const slotOf = (name: string): number => OUTSIDE[name] ?? NAMES.indexOf(name)

export const any = (src: string, dst: string, more: object = {}): object => grant(src, dst, '*', more)

export function acl(src: string, dst: string): object {
  return { acls: [{ action: 'accept', src: [src], dst: [dst] }] }
}

export const engineOf = (policy: object): Engine => new Engine(read(policy), NODES, BEYOND)
