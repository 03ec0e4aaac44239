/**
 * `sett try`: a server and some nodes on this machine, to play with, and what its command line says. What it takes is
 * allowed.ts, its life seen from outside is run.ts, what happens inside is inside.ts, and a way in is enter.ts.
 */

import { MeshError } from '../../base/errors.ts'
import { parseFlags, int } from '../node/flags.ts'
import type { Flags } from '../node/flags.ts'
import { usageOf } from '../node/usage.ts'
import { NODES_MOST } from './names.ts'

const FLAGS: Flags = { nodes: int(2, `how many nodes; 2 to ${NODES_MOST}`) }

const HELP = usageOf({
  short: 'Start a server and some nodes on this machine, to try things with.',
  usage: 'sett try [--nodes N]\nsett try enter NAME [COMMAND...]',
  long: `Each runs in network namespaces of its own: real tunnels between machines that are not there. Nothing of this machine
is changed, and all of it is gone when you press Ctrl-C. It takes Linux and root, or a kernel that lets users have
namespaces. Several can run at the same time.

"enter" opens a shell on one of the machines, or runs a command there.`,
  flags: FLAGS,
})

/** Exit codes: 0 ended as asked, 1 failed, 2 the command line is wrong; `enter` gives that of what it ran. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    if (args[0] === 'enter') return await enterMachine(args.slice(1))
    const parsed = parseFlags(FLAGS, args)
    if (parsed.kind === 'help') return told(process.stdout, HELP, 0)
    if (parsed.kind === 'wrong') return told(process.stderr, `${parsed.message}\n${HELP}`, 2)
    const [stray] = parsed.rest
    if (stray !== undefined) throw new MeshError('config/invalid', `There is no "${stray}" here; see sett try --help`)
    const nodes = parsed.values.number('nodes')
    if (nodes < 2 || nodes > NODES_MOST)
      throw new MeshError('config/invalid', `Cannot start ${nodes} nodes: want --nodes 2 to ${NODES_MOST}`)
    return await (await import('./run.ts')).runTry(nodes)
  } catch (error) {
    if (!(error instanceof MeshError)) throw error
    return told(process.stderr, `sett try: ${error.message}\n`, error.code === 'config/invalid' ? 2 : 1)
  }
}

async function enterMachine(args: readonly string[]): Promise<number> {
  const [name, ...command] = args
  if (name === '--help' || name === '-h') return told(process.stdout, HELP, 0)
  if (name === undefined || name.startsWith('-'))
    throw new MeshError('config/invalid', 'Want the name of a machine: sett try enter NAME [COMMAND...]')
  // What follows "--" is the command, as elsewhere.
  const words = command[0] === '--' ? command.slice(1) : command
  return (await import('./enter.ts')).enter(name, words)
}

function told(to: { write(text: string): unknown }, words: string, code: number): number {
  to.write(words)
  return code
}
