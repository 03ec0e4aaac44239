/**
 * What an administrator or a client changes is seen by the other clients within two seconds: names, tags, routes,
 * expiry, a new login, approval, logout, deletion.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { meet, type PeerStatus, type TsClients, type TsNode, until } from './driver/tsclient.ts'
import { interopMissing, World } from './driver/world.ts'

const skip = interopMissing()

/** The bound on how long a change may take to be seen by another client. */
const SEEN_MS = 2000

let world: World
let clients: TsClients
let watcher: TsNode
let reusable: string

before(async () => {
  if (skip !== false) return
  world = await World.open()
  clients = await world.clients('machine')
  await world.server.admin('users', 'create', 'anna@example.com')
  reusable = (await world.server.createKey({ reusable: true })).key
  watcher = await clients.join('watcher', { control: world.control, authKey: reusable })
})
after(async () => {
  if (skip === false) await world?.close()
})

/**
 * A node that the watcher already sees online. A client that was given a key offers it again whenever it logs in, so
 * one that shall ask its user has to join by a login.
 */
async function joined(name: string, by: 'key' | 'login' = 'key'): Promise<{ node: TsNode; id: string; ip: string }> {
  const node = await clients.start(name, { control: world.control, ...(by === 'key' ? { authKey: reusable } : {}) })
  if (by === 'login') await approve(node, 0, 'anna@example.com')
  await node.running()
  await watcher.sees(`${name} online`, name, (peer) => peer?.Online === true)
  const { nodeId } = await world.server.device(name)
  await meet(watcher, node)
  return { node, id: nodeId, ip: await node.ip() }
}

/** Does `change`, and returns after how many ms the watcher sees what it should; fails beyond two seconds. */
async function seenAfter(
  change: () => Promise<unknown>,
  name: string,
  wanted: (peer: PeerStatus | undefined) => boolean,
): Promise<string> {
  // The command line itself takes a part of a second to start; the clock runs from when it has returned, unless
  // the change is seen before.
  let done: number | undefined
  const began = performance.now()
  const changing = (async () => {
    await change()
    done = performance.now()
  })()
  const seen = watcher.sees(`the change of ${name}`, name, wanted, SEEN_MS + 20_000)
  await Promise.all([changing, seen])
  const end = began + (await seen)
  const late = Math.max(0, Math.round(end - (done ?? end)))
  assert.ok(late <= SEEN_MS, `seen ${late} ms after the change`)
  return `seen ${late} ms after the command returned, ${Math.round(end - began)} ms after it was started`
}

/** Approves the login that the client of `node` asks for, as NAME; `from` is the number of events before it asked. */
async function approve(node: TsNode, from: number, name: string): Promise<void> {
  await world.server.approveLogin(await node.loginUrl(20_000, from), name)
}

test('a new name', { skip }, async (t) => {
  const { node, id } = await joined('rename-me')
  t.diagnostic(
    await seenAfter(
      () => world.server.admin('nodes', 'rename', id, 'renamed'),
      'renamed',
      (peer) => peer?.Online === true,
    ),
  )
  assert.equal(await watcher.peer('rename-me'), undefined, 'the old name is gone')
  await until(
    'the node knows its own new name',
    async () => (await node.status()).Self.DNSName.startsWith('renamed.'),
    SEEN_MS,
  )
  await node.serve()
  assert.equal((await watcher.get('http://renamed/hello')).text, 'hello from rename-me')
})

test('new tags', { skip }, async (t) => {
  const { node, id } = await joined('tag-me')
  t.diagnostic(
    await seenAfter(
      () => world.server.admin('nodes', 'tag', id, 'tag:web,tag:db'),
      'tag-me',
      (peer) => [...(peer?.Tags ?? [])].sort().join() === 'tag:db,tag:web',
    ),
  )
  await until('the node knows its own tags', async () => (await node.status()).Self.Tags?.length === 2, SEEN_MS)
  assert.deepEqual(((await watcher.whois(`${await node.ip()}:80`)).Node.Tags ?? []).sort(), ['tag:db', 'tag:web'])
})

test('routes that a node offers, once they are approved', { skip }, async (t) => {
  const { node, id } = await joined('router')
  await node.advertise('10.99.0.0/24')
  await until('the server hears of the offer', async () => {
    const { advertisedRoutes } = await world.server.api<{ advertisedRoutes: string[] }>(
      'GET',
      `/api/v2/device/${id}/routes`,
    )
    return advertisedRoutes.includes('10.99.0.0/24')
  })
  assert.equal((await watcher.peer('router'))?.PrimaryRoutes, undefined, 'an offer alone routes nothing')
  t.diagnostic(
    await seenAfter(
      () => world.server.admin('nodes', 'routes', id, '--approve', '10.99.0.0/24'),
      'router',
      (peer) => peer?.PrimaryRoutes?.includes('10.99.0.0/24') === true,
    ),
  )
})

test('expiry, and a new login that keeps address and name', { skip, timeout: 60_000 }, async (t) => {
  const { node, id, ip } = await joined('expire-me', 'login')
  await node.serve()
  assert.equal((await watcher.get(`http://${ip}/hello`)).status, 200)
  const oldKey = (await watcher.peer('expire-me'))?.PublicKey
  const before = node.events.length
  t.diagnostic(
    `expire: ${await seenAfter(
      () => world.server.admin('nodes', 'expire', id),
      'expire-me',
      (peer) => peer === undefined || peer.Expired === true,
    )}`,
  )
  await node.reaches('NeedsLogin', SEEN_MS, before)
  const asked = node.events.length
  await node.login()
  const again = await seenAfter(
    () => approve(node, asked, 'anna@example.com'),
    'expire-me',
    (peer) => peer !== undefined && peer.PublicKey !== oldKey && peer.Expired !== true && peer.Online,
  )
  t.diagnostic(`log in again: ${again}`)
  await node.running(10_000, asked)
  assert.equal(await node.ip(), ip)
  assert.equal((await world.server.device('expire-me')).nodeId, id)
  assert.equal((await watcher.get(`http://${ip}/hello`)).status, 200, 'traffic flows again')
})

test('a new login of a client that is still logged in rotates its key', { skip, timeout: 60_000 }, async (t) => {
  const { node, id, ip } = await joined('rotate-me', 'login')
  const oldKey = (await watcher.peer('rotate-me'))?.PublicKey
  const asked = node.events.length
  await node.login()
  t.diagnostic(
    await seenAfter(
      () => approve(node, asked, 'anna@example.com'),
      'rotate-me',
      (peer) => peer !== undefined && peer.PublicKey !== oldKey && peer.Online,
    ),
  )
  assert.equal(await node.ip(), ip)
  assert.equal((await world.server.device('rotate-me')).nodeId, id)
})

test('logout', { skip }, async (t) => {
  const { node } = await joined('log-out')
  t.diagnostic(
    await seenAfter(
      () => node.logout(),
      'log-out',
      (peer) => peer === undefined || peer.Expired === true || !peer.Online,
    ),
  )
  const device = await world.server.device('log-out')
  assert.ok(new Date(device.expires).getTime() <= Date.now(), `its key has expired: ${device.expires}`)
})

test('deletion, of which the deleted client hears too', { skip }, async (t) => {
  const { node, id } = await joined('delete-me')
  const before = node.events.length
  t.diagnostic(
    await seenAfter(
      () => world.server.admin('nodes', 'delete', id),
      'delete-me',
      (peer) => peer === undefined,
    ),
  )
  await node.reaches('NeedsLogin', SEEN_MS, before)
  assert.ok(!(await world.server.devices()).some((device) => device.nodeId === id))
})

test('a client answers the server, and echoes what it is sent', { skip }, async (t) => {
  const { id } = await joined('ping-me')
  for (const more of [[], ['--echo']]) {
    const said = await world.server.admin('nodes', 'ping', id, ...more)
    t.diagnostic(said.trim())
    assert.match(said, /answered in [\d.]+ ms/)
  }
})

test('the name of a user whose first device joins', { skip }, async (t) => {
  await world.server.admin('users', 'create', 'ben@example.com')
  const shown = async (name: string): Promise<string | undefined> => {
    const { Peer, User } = await watcher.status()
    const peer = Object.values(Peer ?? {}).find((each) => each.DNSName.split('.')[0] === name)
    return peer && User?.[peer.UserID]?.LoginName
  }
  const node = await clients.start('of-ben', { control: world.control })
  await approve(node, 0, 'ben@example.com')
  await watcher.sees('of-ben', 'of-ben', (peer) => peer !== undefined)
  const began = performance.now()
  await until('the watcher knows whose of-ben is', async () => (await shown('of-ben')) === 'ben@example.com', SEEN_MS)
  t.diagnostic(`named ${Math.round(performance.now() - began)} ms after the device was seen`)
  await node.running()
})

test('going away without a word', { skip }, async (t) => {
  const other = await world.clients('other')
  await other.join('vanish', { control: world.control, authKey: reusable })
  await watcher.sees('vanish online', 'vanish', (peer) => peer?.Online === true)
  const began = performance.now()
  await other.kill()
  await watcher.sees('vanish offline', 'vanish', (peer) => peer?.Online === false, 30_000)
  t.diagnostic(`seen offline after ${Math.round(performance.now() - began)} ms`)
})

test('an ephemeral node that goes away without a word is shown offline, and forgotten later', { skip }, async () => {
  const other = await world.clients('other-ephemeral')
  const { key } = await world.server.createKey({ ephemeral: true })
  await other.join('fleeting', { control: world.control, authKey: key })
  await watcher.sees('fleeting online', 'fleeting', (peer) => peer?.Online === true)
  await other.kill()
  await watcher.sees('fleeting offline or gone', 'fleeting', (peer) => peer?.Online !== true, 30_000)
})

test('approval: a device waits, unseen, until an administrator approves it', { skip }, async (t) => {
  await world.server.api('PATCH', '/api/v2/tailnet/-/settings', { devicesApprovalOn: true })
  try {
    const { key: plain } = await world.server.createKey()
    const waiting = await clients.start('waits', { control: world.control, authKey: plain })
    await waiting.reaches('NeedsMachineAuth')
    assert.equal(await watcher.peer('waits'), undefined, 'a device that waits is seen by nobody')
    const { Peer } = await waiting.status()
    assert.deepEqual(
      Object.values(Peer ?? {}).map((peer) => peer.DNSName),
      [],
      'and sees nobody',
    )
    const { nodeId } = await world.server.device('waits')
    t.diagnostic(
      await seenAfter(
        () => world.server.admin('nodes', 'approve', nodeId),
        'waits',
        (peer) => peer?.Online === true,
      ),
    )
    await waiting.running(SEEN_MS)

    const { key: approved } = await world.server.createKey({ preauthorized: true })
    const known = await clients.join('preapproved', { control: world.control, authKey: approved })
    assert.ok(
      known.events.every((said) => said['state'] !== 'NeedsMachineAuth'),
      'a pre-approved key skips the wait',
    )
  } finally {
    await world.server.api('PATCH', '/api/v2/tailnet/-/settings', { devicesApprovalOn: false })
  }
})
