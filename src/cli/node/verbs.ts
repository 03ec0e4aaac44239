/** The verbs of the node's command line. Each is loaded when it is asked for, so that none waits for the others. */

import type { Command } from './command.ts'

export interface Verb {
  readonly short: string
  /** Works, but is not told of. */
  readonly hidden?: true
  readonly load: () => Promise<Command>
}

export const VERBS: Readonly<Record<string, Verb>> = {
  up: { short: 'Connect to the network, logging in if needed', load: async () => (await import('./verbs/up.ts')).up },
  down: { short: 'Disconnect from the network', load: async () => (await import('./verbs/down.ts')).down },
  set: { short: 'Change specified preferences', load: async () => (await import('./verbs/set.ts')).set },
  login: { short: 'Log in to an account', load: async () => (await import('./verbs/login.ts')).login },
  logout: {
    short: 'Disconnect and let the node key expire',
    load: async () => (await import('./verbs/logout.ts')).logout,
  },
  switch: { short: 'Switch to another account', load: async () => (await import('./verbs/switch.ts')).switchAccount },
  ip: { short: 'Show addresses of this machine or a peer', load: async () => (await import('./verbs/ip.ts')).ip },
  status: {
    short: 'Show the daemon, its peers and its connections',
    load: async () => (await import('./verbs/status.ts')).status,
  },
  ping: {
    short: 'Ping a host inside the network and show how it was reached',
    load: async () => (await import('./verbs/ping.ts')).ping,
  },
  version: { short: 'Print versions', load: async () => (await import('./verbs/version.ts')).version },
  whois: {
    short: 'Show the machine and user behind an address',
    load: async () => (await import('./verbs/whois.ts')).whois,
  },
  wait: {
    short: 'Wait until the node is connected and its addresses can be used',
    load: async () => (await import('./verbs/wait.ts')).wait,
  },
  debug: {
    short: 'Look into the daemon',
    hidden: true,
    load: async () => (await import('./verbs/debug.ts')).debug,
  },
  completion: {
    short: 'Print a script that completes commands in a shell',
    load: async () => (await import('./verbs/completion.ts')).completion,
  },
  __complete: {
    short: 'Say what may come next in a command line',
    hidden: true,
    load: async () => (await import('./verbs/completion.ts')).complete,
  },
}
