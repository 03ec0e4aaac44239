/**
 * Two official daemons that route one subnet, and a third that pings into it: the process of the router in use is
 * killed, its cable is pulled, it says goodbye, it stalls. Traffic goes on over the other one, and stays there.
 *
 * How long nothing came back is printed; at full size, when the machine is not shared with other tests, it has a limit.
 */
import assert from 'node:assert/strict'
import { setTimeout as wait } from 'node:timers/promises'
import { after, before, test } from 'node:test'

import { tunMissing } from '../lab/available.ts'
import type { Namespace } from '../lab/namespace.ts'
import { Pulse } from '../lab/traffic.ts'
import type { Routing } from '../../src/wire/api/routing-objects.ts'
import { chosenClient, NEWEST } from './driver/build.ts'
import { Official } from './driver/official.ts'
import { until } from './driver/tsclient.ts'
import { interopMissing, World } from './driver/world.ts'

const skip =
  interopMissing() ||
  tunMissing() ||
  (chosenClient() === NEWEST ? false : 'the daemon is built for the newest version only')

const NET = '10.99.0.0/24'
const TARGET = '10.99.0.10'
const isFullSize = process.env['SETT_FULL_SIZE'] === '1'
/** What a busy machine may take; limits are those of the cases. */
const PATIENCE_MS = 30_000

let world: World
let routers: readonly Official[]
let viewer: Official
let pulse: Pulse
let login: { readonly url: string; readonly key: string }

before(async () => {
  if (skip !== false) return
  world = await World.open()
  const office = await world.lab.segment()
  const target = await world.lab.namespace('target')
  await world.lab.plug(target, office, `${TARGET}/24`)
  const machines: Namespace[] = []
  for (const [i, name] of ['one', 'two'].entries()) {
    const machine = await world.machine(name)
    await world.lab.plug(machine, office, `10.99.0.${i + 1}/24`, { device: 'lan0' })
    await machine.setSysctl('net/ipv4/ip_forward', '1')
    machines.push(machine)
  }
  routers = machines.map((machine) => new Official(machine, world))
  viewer = new Official(await world.machine('viewer'), world)
  login = { url: world.control, key: (await world.server.createKey({ reusable: true })).key }
  for (const router of routers) {
    await router.start()
    await router.up(login, `--advertise-routes=${NET}`)
  }
  await viewer.start()
  await viewer.up(login, '--accept-routes')
  assert.match(await world.server.admin('approvals', 'list'), /one .*10\.99\.0\.0\/24/)
  await world.server.admin('approvals', 'approve', 'one')
  await world.server.admin('routes', 'approve', 'two', NET)
  pulse = new Pulse(viewer.where, TARGET, 20)
  await pulse.next()
  await settled(0)
})
after(async () => {
  await pulse?.stop()
  if (skip === false) await world?.close()
})

async function routing(): Promise<Routing> {
  const { routes } = await world.server.api<{ routes: Routing[] }>('GET', '/api/v2/sett/tailnet/-/routes')
  const found = routes.find(({ prefix }) => prefix === NET)
  assert.ok(found)
  return found
}

const used = async (): Promise<string> => (await routing()).routers.find(({ primary }) => primary)?.name ?? ''
const nameOf = (i: number): string => (routers[i] as Official).name

/** Both routers are well, this one is used, and pings come back. */
async function settled(i: number): Promise<void> {
  await until(
    `${nameOf(i)} is used and both are well`,
    async () => {
      const { routers } = await routing()
      return routers.length === 2 && routers.every(({ healthy }) => healthy) && routers[0]?.name === nameOf(i)
    },
    PATIENCE_MS,
  )
  await pulse.next()
  // Until every router has answered on its stream, and the pings go by the way that they are to stay on.
  await wait(3000)
}

/** Does it, and waits until pings come back over the other router. @returns the longest pause, in ms */
async function pause(to: number, act: () => Promise<unknown>): Promise<number> {
  const since = performance.now()
  await act()
  await until(`${nameOf(to)} is used`, async () => (await used()) === nameOf(to), PATIENCE_MS)
  await pulse.next()
  await wait(500)
  return Math.round(pulse.longestGap(since))
}

const cases: readonly {
  readonly name: string
  readonly limitMs: number
  readonly act: (router: Official) => Promise<unknown>
  readonly back: (router: Official) => Promise<unknown>
}[] = [
  {
    name: 'the process is killed',
    limitMs: 1000,
    act: async (router) => router.daemon?.stop('SIGKILL'),
    back: (router) => router.start(),
  },
  {
    name: 'the cable is pulled',
    limitMs: 5000,
    act: (router) => world.cable(router.name).pull(),
    back: (router) => world.cable(router.name).plug(),
  },
  {
    name: 'it says goodbye: `tailscale down`',
    limitMs: 500,
    act: (router) => router.cli('down'),
    back: (router) =>
      router.cli('up', `--login-server=${login.url}`, `--hostname=${router.name}`, `--advertise-routes=${NET}`),
  },
  {
    name: 'it says goodbye: the daemon is stopped',
    limitMs: 500,
    act: async (router) => router.daemon?.stop('SIGTERM'),
    back: (router) => router.start(),
  },
]

for (const [n, { name, limitMs, act, back }] of cases.entries())
  test(`${name}: the other router carries on, and stays`, { skip }, async (t) => {
    const [from, to] = [n % 2, (n + 1) % 2]
    const router = routers[from] as Official
    const took = await pause(to, () => act(router))
    t.diagnostic(`${took} ms without an answer; the limit is ${limitMs} ms`)
    await back(router)
    await settled(to)
    if (isFullSize) assert.ok(took <= limitMs, `${took} ms`)
  })

test('whom `via` sends through some routers is sent through the next of them', { skip }, async (t) => {
  for (const { name } of routers) await world.server.admin('nodes', 'tag', name, 'tag:east')
  await world.server.api('POST', '/api/v2/tailnet/-/acl', {
    tagOwners: { 'tag:east': [] },
    grants: [{ src: ['autogroup:member'], dst: [NET], ip: ['*'], via: ['tag:east'] }],
  })
  const from = (await used()) === nameOf(0) ? 0 : 1
  await settled(from)
  const took = await pause(1 - from, async () => routers[from]?.daemon?.stop('SIGKILL'))
  t.diagnostic(`${took} ms without an answer; the limit is 1000 ms`)
  await routers[from]?.start()
  await settled(1 - from)
  if (isFullSize) assert.ok(took <= 1000, `${took} ms`)
})

test('two stalls of a second cause no switch', { skip }, async (t) => {
  const from = await used()
  const router = routers.find(({ name }) => name === from)
  const pid = router?.daemon?.child.pid
  assert.ok(pid)
  const since = performance.now()
  for (let i = 0; i < 2; i++) {
    process.kill(pid, 'SIGSTOP')
    await wait(1000)
    process.kill(pid, 'SIGCONT')
    await wait(200)
  }
  await wait(6000)
  const { routers: now } = await routing()
  assert.deepEqual([now[0]?.name, now.map(({ healthy }) => healthy)], [from, [true, true]])
  t.diagnostic(`the longest pause was ${Math.round(pulse.longestGap(since))} ms, as long as a stall`)
})
