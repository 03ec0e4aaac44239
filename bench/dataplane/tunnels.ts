/**
 * What is measured: pairs of kernels with a cable between them, and nothing, our pumps or wireguard-go over it;
 * tailscaled.ts has the official daemon.
 */

import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { existsSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Lab, Segment } from '../../test/lab/lab.ts'
import type { Namespace } from '../../test/lab/namespace.ts'
import type { LabProcess } from '../../test/lab/process.ts'
import { INSIDE } from '../../test/lab/pump-node.ts'
import type { PumpNodeOptions } from '../../test/lab/pump-node.ts'
import { configure } from './wireguard-go.ts'

const NODE = fileURLToPath(new URL('../../test/lab/pump-node.ts', import.meta.url))
const OUTSIDE = { a: '192.0.2.1', b: '192.0.2.2' } as const
export const PORT = 41_641
const MTU = 1280
export const SIDES = ['a', 'b'] as const

export interface Tunnel {
  readonly name: string
  readonly a: Namespace
  readonly b: Namespace
  /** What `a` reaches `b` at. */
  readonly host: string
  /** The programs that carry packets, whose time counts. */
  readonly daemons: readonly LabProcess[]
}

interface Cable {
  readonly a: Namespace
  readonly b: Namespace
  readonly net: Segment
}

export async function cable(lab: Lab, name: string): Promise<Cable> {
  const net = await lab.segment()
  const [a, b] = [await lab.namespace(`${name}-a`), await lab.namespace(`${name}-b`)]
  await lab.plug(a, net, `${OUTSIDE.a}/24`)
  await lab.plug(b, net, `${OUTSIDE.b}/24`)
  return { a, b, net }
}

export async function bareCable(lab: Lab): Promise<Tunnel> {
  const { a, b } = await cable(lab, 'bare')
  return { name: 'bare veth', a, b, host: OUTSIDE.b, daemons: [] }
}

export async function ours(lab: Lab, name: string, kind: Pick<PumpNodeOptions, 'pairs' | 'plain'>): Promise<Tunnel> {
  const { a, b } = await cable(lab, name.replaceAll(/\W/g, ''))
  const ends = { a, b }
  const daemons: LabProcess[] = []
  for (const side of SIDES) {
    const endpoint = `${OUTSIDE[side === 'a' ? 'b' : 'a']}:${PORT}`
    const options: PumpNodeOptions = { side, port: PORT, mtu: MTU, endpoint, ...kind }
    const daemon = ends[side].spawn(process.execPath, [NODE, JSON.stringify(options)])
    await daemon.waitFor(/ready/)
    daemons.push(daemon)
  }
  return { name, ...ends, host: INSIDE.b.four, daemons }
}

export async function wireguard(lab: Lab, program: string): Promise<Tunnel> {
  const { a, b } = await cable(lab, 'wggo')
  const ends = { a, b }
  const keys = { a: newKey(), b: newKey() }
  const daemons: LabProcess[] = []
  for (const side of SIDES) {
    const far = side === 'a' ? 'b' : 'a'
    // Its socket is a file of the whole machine: no other device may be called so.
    const device = `wg${side}${process.pid}`
    const daemon = ends[side].spawn(program, ['--foreground', device], { env: { LOG_LEVEL: 'error' } })
    daemons.push(daemon)
    while (daemon.alive && !existsSync(`/var/run/wireguard/${device}.sock`)) await wait(20)
    await configure(device, [
      `private_key=${keys[side].own}`,
      `listen_port=${PORT}`,
      `public_key=${keys[far].public}`,
      `endpoint=${OUTSIDE[far]}:${PORT}`,
      `allowed_ip=${INSIDE[far].four}/32`,
    ])
    await ends[side].ip('address', 'add', `${INSIDE[side].four}/10`, 'dev', device)
    await ends[side].ip('link', 'set', device, 'mtu', String(MTU), 'up')
  }
  return { name: 'wireguard-go', ...ends, host: INSIDE.b.four, daemons }
}

function newKey(): { readonly own: string; readonly public: string } {
  const { privateKey } = generateKeyPairSync('x25519')
  const last = (der: Buffer): string => der.subarray(-32).toString('hex')
  return {
    own: last(privateKey.export({ type: 'pkcs8', format: 'der' })),
    public: last(createPublicKey(privateKey).export({ type: 'spki', format: 'der' })),
  }
}
