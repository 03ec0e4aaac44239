/**
 * Terraform's resources about DNS as the calls that they make: create, read back without a difference, change, delete.
 * (api-v2.md §8.2)
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RestWorld } from '../../../test/support/rest-world.ts'

const T = '/tailnet/-/dns'

interface Resource {
  readonly name: string
  readonly write: readonly [method: string, path: string]
  /** Bodies of creation and change. */
  readonly bodies: readonly unknown[]
  readonly read: string
  /** What the resource looks at in an answer to reading, which has to be what it sent. */
  readonly seen: (answer: any) => unknown
  readonly wanted: readonly unknown[]
  readonly remove: unknown
  readonly removed: unknown
}

const server = (address: string, useWithExitNode = false) => ({ address, useWithExitNode })
const configuration = (nameservers: readonly unknown[], searchPaths: readonly string[]) => ({
  nameservers,
  splitDNS: { 'corp.example': [server('10.0.0.2'), server('10.0.0.1', true)] },
  searchPaths,
  preferences: { magicDNS: true, overrideLocalDNS: true },
})
/** It finds the servers of its state one by one, whatever their order. */
const byAddress = (list: readonly { address: string }[]) => [...list].sort((a, b) => (a.address < b.address ? -1 : 1))

const resources: readonly Resource[] = [
  {
    name: 'tailscale_dns_nameservers keeps its order',
    write: ['POST', `${T}/nameservers`],
    bodies: [{ dns: ['8.8.8.8', '1.1.1.1', '2001:db8::1'] }, { dns: ['1.1.1.1', '8.8.8.8'] }],
    read: `${T}/nameservers`,
    seen: (answer) => answer.dns,
    wanted: [
      ['8.8.8.8', '1.1.1.1', '2001:db8::1'],
      ['1.1.1.1', '8.8.8.8'],
    ],
    remove: { dns: [] },
    removed: [],
  },
  {
    name: 'tailscale_dns_preferences',
    write: ['POST', `${T}/preferences`],
    bodies: [{ magicDNS: true }, { magicDNS: false }, { magicDNS: true }],
    read: `${T}/preferences`,
    seen: (answer) => answer.magicDNS,
    wanted: [true, false, true],
    remove: { magicDNS: false },
    removed: false,
  },
  {
    name: 'tailscale_dns_search_paths keeps its order and spelling',
    write: ['POST', `${T}/searchpaths`],
    bodies: [{ searchPaths: ['Z.example', 'a.example'] }, { searchPaths: ['a.example'] }],
    read: `${T}/searchpaths`,
    seen: (answer) => answer.searchPaths,
    wanted: [['Z.example', 'a.example'], ['a.example']],
    remove: { searchPaths: [] },
    removed: [],
  },
  {
    name: 'tailscale_dns_split_nameservers is found under its domain as it was spelt',
    write: ['PATCH', `${T}/split-dns`],
    bodies: [{ 'Corp.Example': ['10.0.0.2', '10.0.0.1'] }, { 'Corp.Example': ['10.0.0.3'] }],
    read: `${T}/split-dns`,
    seen: (answer) => answer['Corp.Example'],
    wanted: [['10.0.0.2', '10.0.0.1'], ['10.0.0.3']],
    remove: { 'Corp.Example': [] },
    removed: undefined,
  },
  {
    name: 'tailscale_dns_configuration',
    write: ['POST', `${T}/configuration`],
    bodies: [
      configuration([server('9.9.9.9'), server('1.1.1.1', true)], ['b.example', 'a.example']),
      configuration([server('1.1.1.1')], []),
    ],
    read: `${T}/configuration`,
    seen: (answer) => ({
      ...answer,
      nameservers: byAddress(answer.nameservers),
      splitDNS: Object.fromEntries(
        Object.entries(answer.splitDNS).map(([domain, list]) => [domain, byAddress(list as { address: string }[])]),
      ),
    }),
    wanted: [
      {
        ...configuration([server('1.1.1.1', true), server('9.9.9.9')], ['b.example', 'a.example']),
        splitDNS: { 'corp.example': [server('10.0.0.1', true), server('10.0.0.2')] },
      },
      {
        ...configuration([server('1.1.1.1')], []),
        splitDNS: { 'corp.example': [server('10.0.0.1', true), server('10.0.0.2')] },
      },
    ],
    remove: { preferences: {} },
    removed: {
      nameservers: [],
      splitDNS: {},
      searchPaths: [],
      preferences: { overrideLocalDNS: false, magicDNS: false },
    },
  },
]

test('every resource reads back what it wrote, twice alike, and is gone when it is removed', async () => {
  for (const { name, write, bodies, read, seen, wanted, remove, removed } of resources) {
    const world = await RestWorld.make()
    const [method, path] = write
    const token = await world.token('alpha', { user: 'network-admin', scopes: ['dns'] })
    const apply = async (body: unknown) => {
      const told = await world.ask(method, path, { token, body })
      assert.equal(told.status, 200, `${name}: ${told.text}`)
    }
    for (const [i, body] of bodies.entries())
      for (const _ of ['applied', 'applied again']) {
        await apply(body)
        assert.deepEqual(seen(await world.get(read, { token })), wanted[i], name)
      }
    await apply(remove)
    assert.deepEqual(seen(await world.get(read, { token })), removed, name)
    await apply(remove)
  }
})

test('the two that share the nameservers come out alike in whichever order they are applied', async () => {
  const steps: readonly (readonly [string, unknown])[] = [
    [`${T}/nameservers`, { dns: ['1.1.1.1'] }],
    [`${T}/preferences`, { magicDNS: true }],
  ]
  for (const order of [steps, [...steps].reverse()]) {
    const world = await RestWorld.make()
    for (const [path, body] of order) await world.post(path, body)
    assert.deepEqual(await world.get(`${T}/nameservers`), { dns: ['1.1.1.1'] })
    assert.deepEqual(await world.get(`${T}/preferences`), { magicDNS: true })
  }
})
