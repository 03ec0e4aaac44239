/** Official `tailscaled` as a tunnel to compare with: two of them with a TUN device each, on a server of our own. */

import { setTimeout as wait } from 'node:timers/promises'
import { buildClients, goMissing, NEWEST } from '../../test/interop/driver/build.ts'
import type { Lab } from '../../test/lab/lab.ts'
import type { Namespace } from '../../test/lab/namespace.ts'
import type { LabProcess } from '../../test/lab/process.ts'
import { TestServer } from '../../test/support/server.ts'
import { cable, PORT, SIDES } from './tunnels.ts'
import type { Tunnel } from './tunnels.ts'

const SERVER = '192.0.2.9'
const USER = 'bench@example.com'

/** Two machines that reach each other directly; `undefined`, with a word why, where they can't be had. */
export async function tailscale(lab: Lab): Promise<Tunnel | undefined> {
  const missing = goMissing()
  if (missing !== false) {
    console.error(`tailscaled is left out: ${missing}`)
    return undefined
  }
  const built = await buildClients(NEWEST)
  const { a, b, net } = await cable(lab, 'ts')
  const control = await lab.namespace('ts-control')
  await lab.plug(control, net, `${SERVER}/24`)
  const server = await TestServer.start({ dir: `${control.dir}/data`, host: SERVER, namespace: control })
  await server.admin('users', 'create', USER)
  const { key } = await server.createKey({ reusable: true, user: USER })
  const cli = (at: Namespace, ...args: string[]): Promise<string> =>
    at.exec(built.tailscale, [`--socket=${at.dir}/tailscaled.sock`, ...args], { timeoutMs: 60_000 })

  const daemons: LabProcess[] = []
  for (const side of SIDES) {
    const at = { a, b }[side]
    const flags = ['--tun=tailscale0', `--statedir=${at.dir}/state`, `--socket=${at.dir}/tailscaled.sock`]
    const daemon = at.spawn(built.tailscaled, [...flags, `--port=${PORT}`, '--no-logs-no-support'], {
      env: { TS_NO_LOGS_NO_SUPPORT: 'true', HOME: at.dir },
    })
    daemons.push(daemon)
    while (daemon.alive && (await cli(at, 'status', '--json').catch(() => '')) === '') await wait(100)
    await cli(at, 'up', `--login-server=${server.url}`, `--auth-key=${key}`, `--hostname=${side}`, '--timeout=40s')
  }
  const host = (await cli(b, 'ip', '-4')).trim()
  await cli(a, 'ping', '--c=30', '--until-direct=true', host)
  return { name: 'tailscaled', a, b, host, daemons }
}
