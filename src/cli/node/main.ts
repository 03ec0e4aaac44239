/**
 * The node's command line: `sett up`, `sett status` and so on, as `tailscale` has them (node.md §10). It is a client of
 * the local API and nothing more.
 */

import { MeshError } from '../../base/errors.ts'
import { LocalClient, LocalRefused } from '../../sdk/local-client.ts'
import { AskedForHelp, Exit } from './command.ts'
import type { Command } from './command.ts'
import { parseFlags, text } from './flags.ts'
import type { Flags } from './flags.ts'
import { NoDaemon } from './no-daemon.ts'
import type { Surroundings } from './surroundings.ts'
import { usageOf } from './usage.ts'
import { VERBS } from './verbs.ts'

export const DEFAULT_SOCKET = '/var/run/sett/settd.sock'

/** A command beside the node's verbs, for the list of them all. */
export interface Neighbour {
  readonly name: string
  readonly short: string
}

/** Runs one command line. Resolves with its exit code; prints what went wrong itself. */
export async function main(
  args: readonly string[],
  at?: Surroundings,
  neighbours: readonly Neighbour[] = [],
): Promise<number> {
  const surroundings = at ?? (await import('./here.ts')).here()
  try {
    return await run(args.map(modern), surroundings, neighbours)
  } catch (error) {
    return failed(error, args, surroundings)
  }
}

async function run(args: readonly string[], at: Surroundings, neighbours: readonly Neighbour[]): Promise<number> {
  const ours = at.env['SETT_SOCKET'] || DEFAULT_SOCKET
  const flags: Flags = { socket: text('path to the socket of settd', ours) }
  const root = parseFlags(flags, args)
  const usage = () => rootUsage(flags, neighbours)
  if (root.kind === 'help') return told(at, usage(), 0)
  if (root.kind === 'wrong') return told(at, `${redact(root.message)}\n${usage()}`, 2)
  const [word, ...rest] = root.rest
  if (word === undefined || (word === 'help' && rest.length === 0)) return told(at, usage(), 0)
  const verb = Object.entries(VERBS).find(([name]) => name === word.toLowerCase())?.[1]
  if (verb === undefined) throw new MeshError('input/invalid', `sett: unknown subcommand: ${word}`)
  const socket = root.values.text('socket')
  const node = new LocalClient(at.connect(socket))
  return runCommand(await verb.load(), 'sett', rest, { node, socket, at })
}

async function runCommand(
  command: Command,
  path: string,
  args: readonly string[],
  within: { readonly node: LocalClient; readonly socket: string; readonly at: Surroundings },
): Promise<number> {
  const { at } = within
  const parsed = parseFlags(command.flags ?? {}, args)
  if (parsed.kind === 'help') return told(at, usageOf(command), 0)
  if (parsed.kind === 'wrong') return told(at, `${redact(parsed.message)}\n${usageOf(command)}`, 2)
  const [word, ...rest] = parsed.rest
  const full = `${path} ${command.name}`
  const below = command.subcommands?.find(({ name }) => name === word?.toLowerCase())
  if (below !== undefined) return runCommand(below, full, rest, within)
  if (command.run === undefined) {
    if (word !== undefined) throw new MeshError('input/invalid', `${full}: unknown subcommand: ${word}`)
    const names = (command.subcommands ?? []).map(({ name }) => name).join(', ')
    throw new MeshError('input/invalid', `${full}: missing subcommand: ${names}`)
  }
  try {
    await command.run({ ...within, flags: parsed.values, args: parsed.rest })
  } catch (error) {
    if (error instanceof AskedForHelp) return told(at, usageOf(command), 0)
    throw error
  }
  return 0
}

/** What flags were once called. */
function modern(word: string): string {
  return word.replace(/^--?authkey(?==|$)/, '--auth-key').replace(/^--?posture-checking(?==|$)/, '--report-posture')
}

function rootUsage(flags: Flags, neighbours: readonly Neighbour[]): string {
  const verbs = Object.entries(VERBS).flatMap(([name, { short, hidden }]) => (hidden ? [] : [{ name, short }]))
  return usageOf({
    short: 'A private network that you run yourself.',
    usage: 'sett [flags] <subcommand> [command flags]',
    long: 'For help on subcommands, add --help after: "sett status --help".',
    subcommands: [...verbs, ...neighbours],
    flags,
  })
}

function told(at: Surroundings, words: string, code: number): number {
  at.err.write(words)
  return code
}

/** Keys that stand in a command line that we repeat. */
function redact(message: string): string {
  return message.replace(/tskey-[\w-]+/g, 'tskey-XXXX')
}

function failed(error: unknown, args: readonly string[], at: Surroundings): number {
  if (error instanceof Exit) return error.code
  if (error instanceof NoDaemon) return told(at, `${error.message}\n`, 1)
  if (!(error instanceof MeshError)) throw error
  let message = error.message
  if (error instanceof LocalRefused && error.status === 403 && at.uid !== 0) {
    const again = args.map((word) => word.replace(/^(--?(?:auth-?key|client-secret|id-token)=).*/s, '$1XXXX')).join(' ')
    // The daemon is asked where this command line asks it.
    const where = /^--?socket(?:=.*)?$/s.exec(args[0] ?? '')?.[0]
    const socket = where === undefined ? '' : `${where.includes('=') ? where : `${where} ${args[1] ?? ''}`} `
    message += `\n\nUse 'sudo sett ${redact(again)}'.\nTo not require root, use 'sudo sett ${socket}set --operator=$USER' once.`
  }
  return told(at, message.endsWith('\n') ? message : `${message}\n`, 1)
}
