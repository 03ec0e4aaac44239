/** What this machine is like, as far as defaults depend on it. */

import { homedir, networkInterfaces } from 'node:os'
import type { Host } from './config/config.ts'

export function thisHost(): Host {
  return { root: process.getuid?.() === 0, home: homedir() }
}

/** The first IPv4 address that others could reach; `undefined` on a machine without any. */
export function firstAddress(): string | undefined {
  for (const addresses of Object.values(networkInterfaces())) {
    for (const { family, internal, address } of addresses ?? []) {
      // Link-local addresses come up where no network does.
      if (family === 'IPv4' && !internal && !address.startsWith('169.254.')) return address
    }
  }
  return undefined
}

/** Standard output is a journal: what is printed there stays there, so no key may be. */
export function printsToJournal(env: NodeJS.ProcessEnv): boolean {
  return env['JOURNAL_STREAM'] !== undefined
}
