/** Counts what a machine gets from the server: the kernel's own counters of its connections. */
import type { Namespace } from '../../lab/namespace.ts'

/** Bytes that this machine has received over its connections to `address:port` that are open now. */
export async function bytesFrom(machine: Namespace, address: string, port: number): Promise<number> {
  const text = await machine.exec('ss', ['-Htin', 'state', 'established', 'dst', `${address}:${port}`])
  // A line with the addresses of each socket, and below it one with its counters, which begin at the first byte.
  return [...text.matchAll(/\bbytes_received:(\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0)
}
