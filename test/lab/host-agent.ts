/**
 * A node's hold on its machine, without the rest of the node: a TUN device whose far side answers pings from every
 * address, and plans carried out as they are told, one JSON object a line.
 *
 *   node test/lab/host-agent.ts FOLDER DEVICE      {"apply": CONFIG} {"down": true} {"send": HEX} {"facts": true} {"look": true}
 *   node test/lab/host-agent.ts FOLDER cleanup
 *
 * CONFIG is a `HostConfig` without device and IPv6 ability. Answers with `answer N JSON`; at the end of its input it ends.
 */

import { readSync, writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { checkForwarding, readFacts } from '../../src/node/io/host/facts.ts'
import { cleanUp, Host } from '../../src/node/io/host/host.ts'
import { defaultDevices, localAddresses } from '../../src/node/io/host/local-networks.ts'
import { NetworkMonitor } from '../../src/node/io/host/monitor.ts'
import { openTun } from '../../src/node/io/tun.ts'
import { hostPlan } from '../../src/node/routes/host-plan.ts'
import type { HostConfig } from '../../src/node/routes/host-plan.ts'

const [folder = '', name = ''] = process.argv.slice(2)
const EMPTY = {
  addresses: [],
  routes: [],
  localRoutes: [],
  netfilter: 'on',
  masquerade: false,
  stateful: false,
} as const

/** Before every packet, either way. */
const HEADER = 10

if (name === 'cleanup') console.log(`cleaned ${JSON.stringify(await cleanUp(folder))}`)
else await serve()

async function serve(): Promise<void> {
  const tun = openTun({ name, plain: true })
  const host = await Host.open({ folder, device: tun.name })
  const facts = await readFacts(tun.name)
  const monitor = new NetworkMonitor({
    device: tun.name,
    on: (change) => {
      console.log(`change ${change}`)
      if (change === 'rules') void host.repair().then(() => console.log('repaired'))
    },
  })
  const mirror = setInterval(() => answer(tun.fd), 2)
  let answers = 0
  console.log('ready')
  for await (const line of createInterface({ input: process.stdin })) {
    const ask = JSON.parse(line) as {
      apply?: Partial<HostConfig>
      down?: true
      send?: string
      facts?: true
      look?: true
    }
    const began = performance.now()
    let said: unknown
    if (ask.apply !== undefined) {
      const { ipv6, priorityBase } = facts
      const plan = hostPlan({ ...EMPTY, ...ask.apply, device: tun.name, ipv6, priorityBase })
      said = { problems: await host.apply(plan) }
    }
    if (ask.look === true) said = { problems: await host.checkFirewall() }
    if (ask.down === true) said = { problems: await host.down() }
    if (ask.send !== undefined) writeSync(tun.fd, Buffer.from('00'.repeat(HEADER) + ask.send, 'hex'))
    if (ask.facts === true) {
      const forwarding = checkForwarding(['10.9.0.0/24', 'fd09::/64'])
      said = { facts, devices: await defaultDevices(), addresses: localAddresses(tun.name), forwarding }
    }
    console.log(`answer ${(answers += 1)} ${JSON.stringify({ ms: performance.now() - began, ...Object(said) })}`)
  }
  clearInterval(mirror)
  monitor.close()
  tun.close()
}

/** Sends every packet back with its addresses exchanged: a ping thus becomes one of the far side's. */
function answer(fd: number): void {
  const packet = Buffer.alloc(2048)
  for (;;) {
    let length: number
    try {
      length = readSync(fd, packet)
    } catch {
      return
    }
    const [from, size] = (packet[HEADER] as number) >> 4 === 6 ? [HEADER + 8, 16] : [HEADER + 12, 4]
    const source = Buffer.from(packet.subarray(from, from + size))
    packet.copyWithin(from, from + size, from + 2 * size)
    source.copy(packet, from + size)
    packet.fill(0, 0, HEADER)
    try {
      writeSync(fd, packet, 0, length)
    } catch {
      // The device is down, or takes no packet of this kind.
    }
  }
}
