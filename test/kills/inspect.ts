/**
 * Asks a server that came back from a kill for everything it knows, in the three ways there are: the API, the maps of
 * its nodes, and the database itself; and holds that against the ledger outside.
 */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { claimOwner } from '../../src/coord/model/node-changes.ts'
import type { AddressRecord, Key as KeyRecord, NameRecord, Node as NodeRecord } from '../../src/coord/model/records.ts'
import type { Device, Key } from '../../src/wire/api/objects.ts'
import type { Coord } from '../e2e/coord.ts'
import { drawKey, publicNodeKey } from '../e2e/node.ts'
import { ControlClient, decodeFrame, registerBody } from '../support/control-client.ts'
import type { MapMessage } from '../support/world.ts'
import type { Book, BookedNode } from './book.ts'
import { connected, mapBody, register } from './load.ts'

/** Keys that are tried by a stranger after each kill, since each costs a connection. */
const KEYS_TRIED = 4

export async function inspect(coord: Coord, book: Book): Promise<void> {
  for (const node of book.nodes) {
    node.client = undefined
    node.busy = false
  }
  wholeRecords(join(coord.data, 'sett.db'))
  const { devices } = await coord.admin<{ devices: Device[] }>('GET', '/tailnet/-/devices?fields=all')
  const unanswered = checkDevices(devices, book)
  await checkKeys(coord, devices, book)
  await checkMaps(coord, devices, book)
  // Whoever got no answer asks again, and joins now if it had not: a key that was spent on nothing would refuse it.
  for (const node of unanswered) await register(coord, node)
  await refused(coord, book)
  const after = await coord.admin<{ devices: Device[] }>('GET', '/tailnet/-/devices?fields=all')
  checkDevices(after.devices, book)
}

/** Gives the nodes that were never told whether they had joined. */
function checkDevices(devices: readonly Device[], book: Book): BookedNode[] {
  const byKey = new Map(devices.map((device) => [device.nodeKey, device]))
  assert.equal(byKey.size, devices.length, 'a node key is listed twice')
  assert.equal(new Set(devices.map(({ name }) => name)).size, devices.length, 'a name is listed twice')
  const unanswered: BookedNode[] = []
  for (const node of book.nodes) {
    const device = byKey.get(node.nodeKey)
    byKey.delete(node.nodeKey)
    const told = node.id !== '' || node.exists.acknowledged
    node.exists.settle(device !== undefined, `whether ${node.hostname} exists`)
    if (!told) unanswered.push(node)
    if (device === undefined) continue
    assert.equal(device.addresses.length, 2, `the addresses of ${node.hostname}`)
    book.identify(node, device)
    node.label.settle(device.name.split('.', 1)[0] ?? '', `the name of ${node.hostname}`)
    node.keyExpiryDisabled.settle(device.keyExpiryDisabled, `whether the key of ${node.hostname} expires`)
    node.endpoints.settle(device.clientConnectivity?.endpoints ?? [], `the endpoints of ${node.hostname}`)
    assert.equal(device.hostname, node.hostname)
    assert.deepEqual(device.tags ?? [], node.key.tags, `the tags of ${node.hostname}`)
  }
  assert.deepEqual([...byKey.values()], [], 'devices that nobody asked for')
  return unanswered
}

async function checkKeys(coord: Coord, devices: readonly Device[], book: Book): Promise<void> {
  const { keys } = await coord.admin<{ keys: Key[] }>('GET', '/tailnet/-/keys?all=true')
  const byId = new Map(keys.map((key) => [key.id, key]))
  const living = new Map(devices.map(({ nodeKey, nodeId }) => [nodeKey, nodeId]))
  for (const { id, reusable, tags, revoked, users } of book.keys) {
    const key = byId.get(id)
    assert.ok(key !== undefined, `key ${id} is lost`)
    const create = key.capabilities?.devices.create
    assert.deepEqual([create?.reusable, create?.preauthorized, create?.tags ?? []], [reusable, true, tags])
    revoked.settle(key.revoked !== undefined, `whether key ${id} is revoked`)
    const joined = users.flatMap(({ nodeKey }) => living.get(nodeKey) ?? [])
    assert.deepEqual([...(key.devices ?? [])].sort(), joined.sort(), `who joined by key ${id}`)
    // Whoever has left since had joined; of those who never got an answer the list of devices has told.
    const used = users.some(({ nodeKey, id: known }) => living.has(nodeKey) || known !== '')
    if (!reusable) assert.equal(key.used ?? false, used, `whether one-off key ${id} is used`)
  }
}

/** What a node sees of the others, in a map of its own. */
async function checkMaps(coord: Coord, devices: readonly Device[], book: Book): Promise<void> {
  const viewers = book.nodes.filter(({ exists, mapped }) => exists.acknowledged && mapped.acknowledged).slice(-2)
  for (const viewer of viewers) {
    const client = await connected(coord, viewer)
    const { status, body, text } = await client.request('POST', '/machine/map', mapBody(viewer))
    assert.equal(status, 200, text)
    const map = decodeFrame(body.subarray(4)) as MapMessage
    assert.equal(String(map.Node?.ID), viewer.id)
    const peers = new Map((map.Peers ?? []).map((peer) => [peer.Key, peer]))
    assert.equal(peers.size, map.Peers?.length ?? 0, 'a peer is in a map twice')
    for (const node of book.nodes) {
      const peer = peers.get(node.nodeKey)
      peers.delete(node.nodeKey)
      if (node === viewer) continue
      if (!node.exists.acknowledged) assert.equal(peer, undefined, `${node.hostname} is gone, and in a map`)
      else node.mapped.settle(peer !== undefined, `whether peers see ${node.hostname}`)
      if (peer === undefined) continue
      assert.equal(String(peer.ID), node.id)
      assert.equal(peer.Name.split('.', 1)[0], node.label.acknowledged)
      assert.deepEqual(peer.Endpoints, node.endpoints.acknowledged, `endpoints of ${node.hostname} in a map`)
      assert.deepEqual(
        peer.Addresses.map((each) => each.replace(/\/\d+$/, '')),
        node.addresses,
      )
    }
    assert.deepEqual([...peers.keys()], [], 'peers that nobody asked for')
    assert.ok(devices.length > (map.Peers ?? []).length)
  }
}

/** Keys that are used up or revoked let nobody in. */
async function refused(coord: Coord, book: Book): Promise<void> {
  const spent = book.keys.filter(
    ({ reusable, users, revoked }) => revoked.acknowledged || (!reusable && users.some(({ id }) => id !== '')),
  )
  for (const key of spent.slice(-KEYS_TRIED)) {
    const client = await ControlClient.connect({ url: coord.url })
    const body = registerBody({ nodeKey: publicNodeKey(drawKey()), hostname: 'stranger', authKey: key.text })
    const { text } = await client.register(body)
    client.close()
    assert.match((JSON.parse(text) as { Error?: string }).Error ?? '', /^invalid key/, `key ${key.id} let somebody in`)
  }
}

/** Every record has those that belong to it, and no other: a transaction has happened whole or not at all. */
function wholeRecords(path: string): void {
  const db = new DatabaseSync(path, { readOnly: true })
  try {
    db.exec('BEGIN')
    assert.deepEqual({ ...db.prepare('PRAGMA integrity_check').get() }, { integrity_check: 'ok' })
    const rows = db.prepare('SELECT kind, id, version, value FROM records WHERE tailnet = 1').all()
    const of = <T>(kind: string) =>
      new Map(
        rows
          .filter((row) => row['kind'] === kind)
          .map((row) => [String(row['id']), JSON.parse(String(row['value'])) as T]),
      )
    const nodes = of<NodeRecord>('node')
    const names = of<NameRecord>('name')
    const addresses = of<AddressRecord>('address')
    const claims = new Map(
      db
        .prepare("SELECT key, owner FROM claims WHERE space = 'node-key'")
        .all()
        .map((row) => [String(row['key']), String(row['owner'])]),
    )
    const holder = (address: string) => addresses.get(address)?.holds.find(({ until }) => until === undefined)?.node
    for (const [id, node] of nodes) {
      assert.equal(names.get(node.name)?.node, node.id, `the name record of node ${id}`)
      assert.deepEqual([holder(node.ipv4), holder(node.ipv6)], [node.id, node.id], `the address records of node ${id}`)
      assert.equal(claims.get(node.nodeKey), claimOwner(1, node.id), `the claim on the key of node ${id}`)
    }
    assert.equal(names.size, nodes.size, 'names without a node')
    assert.equal(claims.size, nodes.size, 'claims without a node')
    const held = [...addresses.values()].filter(({ holds }) => holds.some(({ until }) => until === undefined))
    assert.equal(held.length, 2 * nodes.size, 'addresses that nobody holds')
    for (const kind of ['presence', 'attributes'])
      for (const id of of(kind).keys()) assert.ok(nodes.has(id), `${kind} of node ${id}, which is no more`)
    for (const [id, { usedBy }] of of<KeyRecord>('key')) {
      const node = usedBy === undefined ? undefined : nodes.get(String(usedBy))
      if (node !== undefined) assert.equal(node.authKey, id)
    }
    const head = db.prepare('SELECT seq, trimmed FROM heads WHERE tailnet = 1').get() ?? {}
    const feed = db.prepare('SELECT count(*) AS n, max(seq) AS last FROM feed WHERE tailnet = 1').get() ?? {}
    assert.equal(Number(feed['n']), Number(head['seq']) - Number(head['trimmed']), 'a gap in the feed')
    assert.equal(feed['last'], head['seq'])
    for (const { version } of rows as unknown as { version: number }[]) assert.ok(version <= Number(head['seq']))
  } finally {
    db.close()
  }
}
