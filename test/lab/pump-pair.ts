/** Pumps with fixed keys at both ends of a tunnel between two namespaces, for tests: what makes them, and asks them. */

import { fileURLToPath } from 'node:url'
import type { Lab } from './lab.ts'
import type { Namespace } from './namespace.ts'
import type { LabProcess } from './process.ts'
import type { Command, PumpNodeOptions } from './pump-node.ts'

const NODE = fileURLToPath(new URL('pump-node.ts', import.meta.url))
/** Addresses of the two ends below the tunnel. */
export const OUTSIDE = { a: '192.0.2.1', b: '192.0.2.2' } as const
export const OUTSIDE6 = { a: 'fd99::1', b: 'fd99::2' } as const
/** Where both ends listen. */
export const PORT = 41_641
const MTU = 1280

/** One end of a tunnel: a namespace, and the pumps in it. */
export interface End {
  readonly where: Namespace
  readonly node: LabProcess
}

/** Two ends on one switch that have each other's keys and addresses, and a session unless told otherwise. */
export async function pair(
  lab: Lab,
  a: Partial<PumpNodeOptions>,
  b: Partial<PumpNodeOptions>,
): Promise<{ a: End; b: End }> {
  const net = await lab.segment()
  const starting: Promise<End>[] = []
  for (const [side, own] of [
    ['a', a],
    ['b', b],
  ] as const) {
    const far = side === 'a' ? 'b' : 'a'
    const where = await lab.namespace(side)
    await lab.plug(where, net, `${OUTSIDE[side]}/24`)
    await where.ip('address', 'add', `${OUTSIDE6[side]}/64`, 'dev', 'eth0', 'nodad')
    const endpoint = `${OUTSIDE[far]}:${PORT}`
    starting.push(started(where, { side, port: PORT, mtu: MTU, pairs: 1, plain: false, endpoint, ...own }))
  }
  const [first, second] = (await Promise.all(starting)) as [End, End]
  return { a: first, b: second }
}

async function started(where: Namespace, options: PumpNodeOptions): Promise<End> {
  const node = where.spawn(process.execPath, [NODE, JSON.stringify(options)], { name: `pump-${options.side}` })
  await node.waitFor(/ready/)
  return { where, node }
}

/** Tells the process at one end what to do. */
export const command = (end: End, ...commands: readonly Command[]): void => {
  for (const each of commands) end.node.write(`${JSON.stringify(each)}\n`)
}

/** What an end's pumps have counted. */
export interface Counts {
  readonly drops: Record<string, number>
  readonly into: Record<string, number>
  readonly traffic: { readonly sentPackets: number; readonly receivedPackets: number }
}
/** What is counted by now. */
export async function counts(end: End): Promise<Counts> {
  // The output keeps the answers to earlier questions.
  const answers = (): string[] => end.node.output.split('\n').filter((line) => line.startsWith('{"event":"counts"'))
  const before = answers().length
  command(end, { do: 'counts' })
  await end.node.waitFor(new RegExp(`(\\{"event":"counts"[^\\n]*\\n[^]*){${before + 1}}`))
  return JSON.parse(answers()[before] as string) as Counts
}

/** One end alone, sending to nobody. */
export async function loneEnd(lab: Lab, plain: boolean, name: string): Promise<End> {
  const where = await lab.namespace(`alone-${name}`)
  await lab.plug(where, await lab.segment(), '192.0.2.9/24')
  const options: PumpNodeOptions = { side: 'a', port: PORT, mtu: MTU, pairs: 2, plain, endpoint: `192.0.2.10:${PORT}` }
  return started(where, options)
}
