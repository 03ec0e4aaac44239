/** Groups that a directory keeps, as official clients see them: who comes into one is let in by the next message. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mintKey } from '../../src/coord/model/credentials.ts'
import { UNENDING } from '../../src/coord/model/records.ts'
import type { Key, Provider, Write } from '../../src/coord/model/records.ts'
import { Scim } from '../../src/coord/scim/scim.ts'
import { nodePrimitives } from '../../src/crypto/io/node-primitives.ts'
import { TESTER } from '../support/ledger.ts'
import { savePolicy } from '../support/save-policy.ts'
import { World } from '../support/world.ts'
import type { Machine, MapMessage } from '../support/world.ts'

const sha256 = (...parts: Uint8Array[]) => nodePrimitives.sha256(...parts)

/** A tailnet with a provider, and a directory that pushes to it. */
async function directory(
  world: World,
): Promise<(method: 'POST' | 'PUT' | 'PATCH', path: string, body: object) => Promise<{ id: string }>> {
  const minted = mintKey(nodePrimitives.random, sha256, 'scim')
  const created = world.wall()
  const provider: Provider = {
    id: 'okta',
    title: 'Okta',
    settings: {
      kind: 'oidc',
      issuer: 'https://okta.example',
      clientId: 'x',
      scopes: [],
      groupsClaim: 'groups',
      trustEmail: false,
    },
    admits: { anyone: false, domains: ['example.com'], groups: [], users: [] },
    groupDomain: 'example.com',
    created,
  }
  const key: Key = {
    id: minted.id,
    type: 'scim',
    hash: minted.hash,
    description: '',
    user: 0,
    created,
    expires: UNENDING,
    reusable: true,
    ephemeral: false,
    preauthorized: false,
    tags: [],
    scopes: [],
    provider: 'okta',
  }
  const writes: Write[] = [
    { kind: 'provider', id: 'okta', expect: 'absent', value: provider },
    { kind: 'key', id: key.id, expect: 'absent', value: key },
  ]
  await world.coord.ledger.transact(world.tailnet.num, TESTER, () => ({ batch: { writes }, result: undefined }))
  const scim = new Scim({ ledger: world.coord.ledger, dice: nodePrimitives.random, sha256, url: 'https://sett.test' })
  const headers = { authorization: `Bearer ${minted.text.reveal()}` }
  return async (method, path, body) => {
    const asking = { method, headers, body: JSON.stringify(body) }
    const response = await scim.fetch(new Request(`https://sett.test/scim/v2${path}`, asking))
    const text = await response.text()
    assert.ok(response.ok, text)
    return JSON.parse(text)
  }
}

/** What a client was sent since, within a second. */
async function sentTo(world: World, { stream }: Machine, change: () => Promise<unknown>): Promise<MapMessage[]> {
  const before = stream.messages.length
  await change()
  await world.pass(1000)
  return stream.messages.slice(before).filter(({ KeepAlive }) => KeepAlive !== true)
}

const sources = (message: MapMessage | undefined): string[] =>
  Object.values(message?.PacketFilters ?? {}).flatMap((rules) => (rules ?? []).flatMap(({ SrcIPs }) => SrcIPs))

test('who comes into a group and goes is in the filter, and seen, from one message to the next', async () => {
  const world = await World.start()
  const push = await directory(world)
  const grants = [{ src: ['group:ops@example.com'], dst: ['tag:db'], ip: ['tcp:5432'] }]
  await savePolicy(world, { tagOwners: { 'tag:db': [] }, grants })
  const { id: ann } = await push('POST', '/Users', { userName: 'ann@example.com' })
  const { id: group } = await push('POST', '/Groups', { displayName: 'Ops' })
  const db = await world.joined('db', { tags: ['tag:db'] })
  const laptop = await world.joined('laptop', { user: Number(ann) })
  const address = world.coord.ledger.model.nodeByKey(laptop.nodeKey)?.node.ipv4 as string
  const patch = (op: string, path: string, value?: object) => () =>
    push('PATCH', `/Groups/${group}`, { Operations: [{ op, path, value }] })

  const come = patch('add', 'members', [{ value: ann }])
  const [atDb, ...moreAtDb] = await sentTo(world, db, come)
  assert.deepEqual(moreAtDb, [], 'one message')
  assert.ok(sources(atDb).includes(address), JSON.stringify(atDb))
  assert.deepEqual(
    atDb?.PeersChanged?.map(({ Name }) => Name.split('.')[0]),
    ['laptop'],
  )
  assert.equal(
    laptop.stream.messages.filter(({ PeersChanged }) => PeersChanged?.some(({ Name }) => Name.startsWith('db.')))
      .length,
    1,
  )
  // Nothing that changes no group concerns anybody's filter.
  const same = () => push('PUT', `/Groups/${group}`, { displayName: 'ops', members: [{ value: ann }] })
  assert.deepEqual(await sentTo(world, db, same), [])

  const gone = patch('remove', `members[value eq "${ann}"]`)
  const [left, ...moreLeft] = await sentTo(world, db, gone)
  assert.deepEqual(moreLeft, [], 'one message')
  assert.deepEqual([sources(left).includes(address), left?.PeersRemoved?.length], [false, 1])

  await come()
  await world.pass(1000)
  const [cut] = await sentTo(world, db, () =>
    push('PATCH', `/Users/${ann}`, { Operations: [{ op: 'replace', value: { active: false } }] }),
  )
  assert.deepEqual([sources(cut).includes(address), cut?.PeersRemoved?.length], [false, 1])
  world.coord.close()
})
