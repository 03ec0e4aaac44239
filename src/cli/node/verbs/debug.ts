/** `sett debug`: looks into the daemon, and pokes it. What it prints is for people who know; it may change. */

import { MeshError } from '../../../base/errors.ts'
import { LocalRefused, NOTIFY } from '../../../sdk/local-client.ts'
import { Exit } from '../command.ts'
import type { Command, Context } from '../command.ts'
import { bool, duration, int } from '../flags.ts'
import type { Flag } from '../flags.ts'
import { indentJson } from '../json-text.ts'
import { plain } from '../../plain.ts'

const NETMAP_LIMIT_MS = 5000

/** Bits of the bus's mask that have a flag here. */
const WATCH: Readonly<Record<string, { readonly bits: number; readonly initial?: true; readonly usage: string }>> = {
  initial: {
    bits: NOTIFY.initialState | NOTIFY.initialPrefs,
    usage: 'include the initial backend State and Prefs in the first message',
  },
  'engine-updates': { bits: NOTIFY.engineUpdates, usage: 'send Engine updates' },
  'initial-drive-shares': { bits: NOTIFY.initialDriveShares, usage: 'send current DriveShares first' },
  'initial-outgoing-files': { bits: NOTIFY.initialOutgoingFiles, usage: 'send current OutgoingFiles first' },
  'initial-health': { bits: NOTIFY.initialHealth, usage: 'send current Health first' },
  'health-actions': { bits: NOTIFY.healthActions, usage: 'include PrimaryActions in Health' },
  'initial-suggested-exit-node': { bits: NOTIFY.initialSuggestedExitNode, usage: 'send SuggestedExitNode first' },
  'initial-client-version': { bits: NOTIFY.initialClientVersion, usage: 'send ClientVersion first' },
  'peer-changes': { bits: NOTIFY.peerChanges, initial: true, usage: 'send PeersChanged and PeersRemoved' },
  'initial-status': { bits: NOTIFY.initialStatus, usage: 'send the whole status first' },
  'peer-patches': { bits: NOTIFY.peerPatches, initial: true, usage: 'send narrow patches of peers' },
  'peer-wireguard-state': { bits: NOTIFY.peerWireGuardState, usage: 'send states of WireGuard sessions' },
}

export const debug: Command = {
  name: 'debug',
  usage: 'sett debug <subcommand>',
  short: 'Debug commands',
  long: '"sett debug" contains misc debug facilities; it is not a stable interface.',
  subcommands: [
    show('derp-map', 'Print DERP map', ({ node }) => node.text('GET', 'derpmap')),
    show('netmap', 'Print the current network map', ({ node }) =>
      node.text('POST', 'debug?action=current-netmap', 200, { signal: AbortSignal.timeout(NETMAP_LIMIT_MS) }),
    ),
    show('prefs', 'Print prefs', ({ node }) => node.text('GET', 'prefs')),
    show(
      'control-knobs',
      'See current control knobs',
      ({ node }) => node.text('POST', 'debug?action=control-knobs'),
      '  ',
    ),
    {
      name: 'metrics',
      usage: 'sett debug metrics',
      short: "Print settd's metrics",
      run: async ({ node, at }) => at.out.write(await node.text('GET', 'metrics')),
    },
    {
      name: 'statedir',
      usage: 'sett debug statedir',
      short: 'Print the location of the state directory (if any)',
      run: stateDir,
    },
    {
      name: 'watch-ipn',
      usage: 'sett debug watch-ipn',
      short: 'Subscribe to IPN message bus',
      flags: {
        count: int(0, 'exit after printing this many statuses, or 0 to keep going forever'),
        ...Object.fromEntries(
          Object.entries(WATCH).map(([name, { initial, usage }]): [string, Flag] => [
            name,
            bool(initial === true, usage),
          ]),
        ),
      },
      run: watch,
    },
    {
      name: 'localapi',
      usage: 'sett debug localapi [<method>] <path> [<body| "-">]',
      short: 'Call a LocalAPI method directly',
      flags: { v: bool(false, 'verbose; dump HTTP headers') },
      run: localApi,
    },
    {
      name: 'local-creds',
      usage: 'sett debug local-creds',
      short: 'Print how to access the LocalAPI',
      run: async ({ at, socket }) =>
        at.out.write(`curl --unix-socket ${socket} http://local-tailscaled.sock/localapi/v0/status\n`),
    },
    poke('restun', 'Look for our own addresses again, now'),
    poke('rebind', 'Open our sockets anew'),
    poke('rotate-disco-key', 'Take a new discovery key'),
    poke('break-tcp-conns', 'Break any open TCP connections from the daemon'),
    poke('break-derp-conns', 'Break any open DERP connections from the daemon'),
    poke('pick-new-derp', 'Switch to some other random DERP home region for a short time'),
    poke('force-netmap-update', 'Go through the whole network map again, although nothing in it has changed'),
    {
      name: 'force-prefer-derp',
      usage: 'sett debug force-prefer-derp <region ID>',
      short: 'Prefer the given region ID if reachable (until restart, or 0 to clear)',
      run: preferRelay,
    },
    { name: 'reload-config', usage: 'sett debug reload-config', short: 'Reload config', run: reloadConfig },
    {
      name: 'set-expire',
      usage: 'sett debug set-expire --in=1m',
      short: 'Let the node key expire soon, for testing',
      flags: { in: duration(0, 'how long from now') },
      run: expireSoon,
    },
  ],
}

/** A subcommand that prints JSON as the daemon sends it, indented. */
function show(name: string, short: string, ask: (context: Context) => Promise<string>, indent = '\t'): Command {
  return {
    name,
    usage: `sett debug ${name}`,
    short,
    async run(context) {
      const said = await ask(context)
      if (!isJson(said)) throw new MeshError('api/unreachable', `what settd answers is no JSON: ${plain(said)}`)
      context.at.out.write(`${indentJson(said, indent)}\n`)
    },
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** A subcommand that makes the daemon do something, and prints nothing. */
function poke(action: string, short: string): Command {
  return {
    name: action,
    usage: `sett debug ${action}`,
    short,
    async run({ node, args }) {
      if (args.length > 0) throw new MeshError('input/invalid', 'unexpected arguments')
      await node.text('POST', `debug?action=${action}`)
    },
  }
}

async function stateDir({ node, at }: Context): Promise<void> {
  const said = await node.value('POST', 'debug?action=statedir')
  if (typeof said !== 'string' || said === '') throw new MeshError('input/invalid', 'no statedir is set')
  at.out.write(`${said}\n`)
}

async function watch({ node, flags, at }: Context): Promise<void> {
  const wanted = Object.entries(WATCH).filter(([name]) => flags.bool(name))
  const mask = wanted.reduce((bits, [, more]) => bits | more.bits, NOTIFY.noNetMap as number)
  const stop = new AbortController()
  const messages = await node.watchBus(mask, stop.signal)
  at.err.write('Connected.\n')
  let left = flags.number('count')
  for await (const line of messages) {
    at.out.write(`${indentJson(line, '\t')}\n`)
    if (left > 0 && --left === 0) return stop.abort()
  }
  throw new MeshError('api/unreachable', 'settd has ended')
}

async function localApi({ node, flags, args, at }: Context): Promise<void> {
  const [first, ...others] = args
  if (first === undefined) throw new MeshError('input/invalid', 'expected at least one argument')
  const hasMethod = /^[A-Z]{1,7}$/.test(first)
  const [named, given] = hasMethod ? others : args
  if (named === undefined) throw new MeshError('input/invalid', 'expected at least one argument after method')
  const method = hasMethod ? first : 'GET'
  const path = named.startsWith('/localapi/') ? named : `/localapi/${named.includes('/') ? '' : 'v0/'}${named}`
  if (given === '-') at.err.write('# reading request body from stdin...\n')
  const body = given === '-' ? await at.readInput() : given
  at.err.write(`# doing request ${method} ${path}\n`)
  const answer = await node.raw({ method, path, ...(body === undefined ? {} : { body }) })
  const line = `${answer.status} ${answer.statusText}`
  const isGood = answer.status >= 200 && answer.status < 300
  if (flags.bool('v')) {
    const headers = Object.entries(answer.headers).map(([name, value]) => `${name}: ${value}\r\n`)
    at.out.write(`HTTP/1.1 ${line}\r\n${headers.join('')}\r\n`)
  } else if (!isGood) at.err.write(`# Response status ${line}\n`)
  for await (const piece of answer.pieces()) at.out.write(piece)
  if (!isGood) throw new LocalRefused(answer.status, line)
}

async function preferRelay({ node, args: [region, ...more] }: Context): Promise<void> {
  if (region === undefined || more.length > 0 || !/^-?\d{1,9}$/.test(region))
    throw new MeshError('input/invalid', 'expected exactly one integer argument')
  await node.text('POST', 'debug?action=force-prefer-derp', 200, { body: Number(region) })
}

async function reloadConfig({ node, at }: Context): Promise<void> {
  const { Reloaded, Err } = ((await node.value('POST', 'reload-config')) ?? {}) as { Reloaded?: boolean; Err?: string }
  if (Err) throw new MeshError('api/refused', Err)
  at.out.write(Reloaded === true ? 'config reloaded\n' : 'config mode not in use\n')
  if (Reloaded !== true) throw new Exit(1)
}

async function expireSoon({ node, flags, args, at }: Context): Promise<void> {
  const within = flags.number('in')
  if (args.length > 0 || within === 0)
    throw new MeshError('input/invalid', 'usage: sett debug set-expire --in=<duration>')
  const expiry = Math.floor((at.now() + within) / 1000)
  await node.text('POST', `set-expiry-sooner?expiry=${expiry}`)
}
