/**
 * Many nodes on one machine: all join at once, know of all others, and each reaches the next one.
 *
 * SETT_LAB_NODES: how many; the proof takes twenty.
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { tunMissing } from './available.ts'
import type { Machine } from './machine.ts'
import { Tailnet } from './tailnet.ts'
import { reachable } from './traffic.ts'

const skip = tunMissing()
const NODES = Number(process.env['SETT_LAB_NODES'] ?? 5)

describe(`${NODES} nodes on one machine`, { skip }, () => {
  let tailnet: Tailnet
  let machines: Machine[]

  before(async () => {
    tailnet = await Tailnet.open()
    machines = await tailnet.join(...Array.from({ length: NODES }, (_, n) => `node${n}`))
  })
  after(async () => tailnet?.[Symbol.asyncDispose]())

  test('each knows of all others and reaches its neighbour', async () => {
    const addresses = await Promise.all(machines.map((machine) => machine.addresses()))
    const reached = machines.map(({ where }, n) => reachable(where, addresses[(n + 1) % NODES]?.four ?? ''))
    for (const said of await Promise.all(reached)) assert.match(said, / [1-9]\d* received/)
    for (const machine of machines)
      assert.equal(Object.keys((await machine.status()).Peer ?? {}).length, NODES - 1, machine.name)
  })

  test('when half of them have ended, the others know, and go on', async () => {
    const [staying, leaving] = [machines.filter((_, n) => n % 2 === 0), machines.filter((_, n) => n % 2 === 1)]
    await Promise.all(leaving.map((machine) => machine.stop()))
    const online = ({ Peer }: Awaited<ReturnType<Machine['status']>>): number =>
      Object.values(Peer ?? {}).filter(({ Online }) => Online).length
    await Promise.all(
      staying.map((machine) => machine.until('half are gone', (status) => online(status) === staying.length - 1)),
    )
    const last = await staying.at(-1)?.addresses()
    for (const { where } of staying.slice(0, -1)) await reachable(where, last?.four ?? '')
  })
})
