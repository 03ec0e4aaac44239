/**
 * Advisory 1 as a contract: of 32 machines that register at the same moment with one one-off key exactly one wins,
 * whatever the database, and whether they ask one server or several on one database.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ControlClient, registerBody } from '../support/control-client.ts'
import type { Coord } from './coord.ts'
import { drawKey, publicNodeKey } from './node.ts'

const MACHINES = 32
const ROUNDS = 4

interface ListedKey {
  readonly id: string
  readonly used?: boolean
  readonly invalid?: boolean
  readonly devices?: readonly string[]
}

/** @param open starts the servers; whoever asks is spread over them */
export function oneOffKeyContract(name: string, open: () => Promise<readonly Coord[]>, skip: string | false): void {
  test(`${name}: of 32 registrations at once with one one-off key exactly one wins`, { skip }, async (t) => {
    const servers = await open()
    t.after(() => Promise.all(servers.map((each) => each.remove())))
    const [first] = servers as readonly [Coord, ...Coord[]]
    for (let round = 1; round <= ROUNDS; round++) {
      const clients = await Promise.all(
        Array.from({ length: MACHINES }, (_, i) =>
          ControlClient.connect({ url: (servers[i % servers.length] as Coord).url }),
        ),
      )
      const authKey = await first.createKey('-', { reusable: false })
      // Every server has heard of the key before anybody uses it.
      for (const server of servers) await untilListed(server, authKey.split('-')[2] as string)
      const tries = clients.map((client, i) => {
        const nodeKey = publicNodeKey(drawKey())
        return { client, body: registerBody({ nodeKey, authKey, hostname: `racer-${round}-${i}` }) }
      })
      const answers = await Promise.all(tries.map(({ client, body }) => client.register(body)))
      const told = answers.map(
        ({ text }) => JSON.parse(text) as { readonly MachineAuthorized?: true; readonly Error?: string },
      )
      const winner = told.findIndex((each) => each.MachineAuthorized === true)
      for (const [i, { Error: why = '', MachineAuthorized }] of told.entries()) {
        assert.equal(answers[i]?.status, 200)
        assert.equal(MachineAuthorized === true, i === winner, `round ${round}: machine ${i} beside ${winner}`)
        if (i !== winner) assert.match(why, /^invalid key: auth key \w+ was for one use and has been used$/)
      }
      assert.ok(winner >= 0, 'somebody won')

      // What the losers had begun is gone with them: no node, no name, no address.
      const { devices } = await first.admin<{ devices: { nodeId: string; hostname: string }[] }>(
        'GET',
        '/tailnet/-/devices',
      )
      const { addresses } = await first.admin<{ addresses: unknown[] }>('GET', '/sett/tailnet/-/addresses')
      assert.deepEqual([devices.length, addresses.length], [round, 2 * round])
      const joined = devices.find((each) => each.hostname === `racer-${round}-${winner}`)
      assert.ok(joined !== undefined)
      const key = await untilListed(first, authKey.split('-')[2] as string)
      assert.deepEqual([key.used, key.invalid, key.devices], [true, true, [joined.nodeId]])

      // It stays good for the machine that it let in, and for no other.
      const again = tries[winner] as (typeof tries)[number]
      assert.match((await again.client.register(again.body)).text, /"MachineAuthorized":true/)
      const late = tries[(winner + 1) % MACHINES] as (typeof tries)[number]
      assert.match((await late.client.register(late.body)).text, /has been used/)
      for (const client of clients) client.close()
    }
  })
}

/** The key as a server lists it; several servers on one database hear of changes a moment later. */
async function untilListed(server: Coord, id: string): Promise<ListedKey> {
  for (let tries = 0; ; tries++) {
    const { keys } = await server.admin<{ keys: ListedKey[] }>('GET', '/tailnet/-/keys?all=true')
    const found = keys.find((key) => key.id === id)
    if (found !== undefined) return found
    assert.ok(tries < 500, `a server never heard of key ${id}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
