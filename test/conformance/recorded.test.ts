/**
 * What two real daemons said to another server, said to this one in the same order: every request succeeds, and in
 * the end the tailnet is what their words make it.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Wall } from '../../src/base/clock.ts'
import { recorded } from '../support/recorded.ts'
import type { Recorded } from '../support/recorded.ts'
import { World } from '../support/world.ts'
import type { Answer, Machine } from '../support/world.ts'

/** Says all of it; `seen` is called after each request with the machine that said it. */
async function replay(world: World, seen: (one: Recorded, machine: Machine, answer: Answer) => void) {
  const machines = new Map<string, Machine>()
  for (const one of recorded()) {
    const { body } = one
    const known = machines.get(body.NodeKey)
    const machine = known ?? world.machine(body.Hostinfo.Hostname)
    machines.set(body.NodeKey, machine)
    machine.nodeKey = body.NodeKey as Machine['nodeKey']
    // The server of the recording let everybody in; here the first request of each brings a key.
    const key = known === undefined ? { Auth: { AuthKey: await world.key() } } : {}
    const answer = await machine.send('POST', `/machine/${one.kind}`, { ...body, ...key })
    if (body.Stream === true) {
      // A client has one stream, and leaves the old one behind.
      machine.stream.end()
      machine.stream = answer
    }
    await world.pass(1000)
    seen(one, machine, answer)
  }
  return machines
}

test('two recorded daemons live their lives on this server', async () => {
  const world = await World.start()
  const machines = await replay(world, (one, machine, answer) => {
    const { body, kind, name } = one
    assert.equal(answer.status, 200, `${name}: ${answer.body}`)
    if (kind === 'register' && one.phase !== 'alpha, logged out') {
      assert.equal(answer.json['Error'] ?? answer.json['AuthURL'], undefined, name)
      assert.equal(answer.json['MachineAuthorized'], true, name)
    }
    if (body.Stream === true) assert.equal(answer.messages[0]?.Node?.Key, body.NodeKey, name)
    if (body.OmitPeers === true) assert.equal(answer.body, '', 'what only reports gets no map')

    const { node } = machine
    assert.equal(node.cap, body.Version, name)
    assert.equal(node.name, body.Hostinfo.Hostname, `${name}: the name follows the host name`)
    const { NetInfo, ...host } = body.Hostinfo
    assert.deepEqual({ ...node.hostinfo, NetInfo: undefined }, { ...host, NetInfo: undefined }, name)
    if (NetInfo !== undefined) {
      assert.deepEqual(node.hostinfo.NetInfo, NetInfo, name)
      assert.equal(node.homeDerp, NetInfo.PreferredDERP, name)
    }
    if (kind === 'map') assert.equal(node.discoKey, body.DiscoKey, name)
    if (body.Endpoints !== undefined) assert.deepEqual(node.endpoints, body.Endpoints, name)
  })

  const [alpha, beta] = [...machines.values()] as [Machine, Machine]
  assert.equal(world.state().nodesById.size, 2, 'nobody joined twice')
  assert.equal(alpha.node.name, 'alpha3')
  assert.ok((alpha.node.keyExpiry as Wall) <= world.wall(), 'alpha has logged out')
  assert.equal(beta.node.keyExpiry === undefined || beta.node.keyExpiry > world.wall(), true, 'beta has not')

  // What beta was told in the end is what alpha said last.
  const told = beta.peers().get(alpha.node.id)
  assert.equal(told?.Name, 'alpha3.home.sett.internal.')
  assert.equal(told?.Hostinfo['Hostname'], 'alpha3')
  assert.deepEqual(told?.Endpoints, ['127.0.0.1:49388', '192.0.2.2:49388'])
  assert.equal(told?.HomeDERP, 1)
  assert.equal(told?.DiscoKey, alpha.node.discoKey)
  assert.equal(told?.Hostinfo['RoutableIPs'], undefined)
  assert.equal(told?.Expired, true)
  assert.equal(
    alpha.stream.messages.at(-1)?.Node?.KeyExpiry,
    told?.KeyExpiry,
    'and alpha was told that its key ran out',
  )
})

test('the recorded routes are offered while they are said, and taken back when they are not', async () => {
  const offered: string[] = []
  await replay(await World.start(), (one, machine) => {
    if (!one.phase.startsWith('beta')) offered.push((machine.node.hostinfo.RoutableIPs ?? []).join())
  })
  const changes = offered.filter((routes, i) => routes !== offered[i - 1])
  assert.deepEqual(changes.slice(0, 3), ['10.9.0.0/24', '0.0.0.0/0,::/0', ''])
})
