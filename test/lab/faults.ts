/**
 * What goes wrong with networks and programs, done on purpose: loss, another address, a program that sleeps. Cables are
 * pulled at what `Lab.plug` returns, UDP is blocked by the namespace. The kernels we know have no netem, so lines are
 * as quick as they are; slow ones are the simulation's (test/sim).
 */

import { setTimeout as wait } from 'node:timers/promises'
import type { Machine } from './machine.ts'
import type { Namespace } from './namespace.ts'

/** Loses so many of a hundred packets in each direction, by chance, while it is held. */
export async function lose(where: Namespace, percent: number, device = 'eth0'): Promise<AsyncDisposable> {
  const drop = (which: string): string => `${which} "${device}" numgen random mod 100 < ${percent} counter drop`
  await where.nft(`table inet lossy {
    chain out {
      type filter hook output priority -10
      ${drop('oifname')}
    }
    chain in {
      type filter hook input priority -10
      ${drop('iifname')}
    }
  }`)
  return { [Symbol.asyncDispose]: () => where.nft('delete table inet lossy') }
}

/** As another lease does: the old address goes, and with it whatever was bound to it. */
export async function readdress(where: Namespace, before: string, now: string, device = 'eth0'): Promise<void> {
  await where.ip('address', 'del', before, 'dev', device)
  await where.ip('address', 'add', now, 'dev', device)
}

/** The daemon does nothing at all for so long, as when its machine sleeps: what comes meanwhile waits, or is lost. */
export async function freeze(machine: Machine, ms: number): Promise<void> {
  process.kill(machine.pid, 'SIGSTOP')
  await wait(ms)
  process.kill(machine.pid, 'SIGCONT')
}
