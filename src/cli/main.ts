/**
 * `sett`: which program a command line means. Each is loaded only when it is asked for.
 *
 * Those in the table are programs of their own; every other word is a verb of the node's command line.
 */

import { readFileSync } from 'node:fs'

type Program = (args: readonly string[]) => Promise<number>

const PROGRAMS: { readonly [command: string]: { readonly short: string; readonly load: () => Promise<Program> } } = {
  coord: {
    short: 'Run the coordination server, with its relay',
    load: async () => (await import('../coord/main.ts')).main,
  },
  admin: { short: 'Administer a coordination server', load: async () => (await import('./admin/main.ts')).main },
  service: {
    short: 'Make the node, or the server, a service of this machine',
    load: async () => (await import('./service/main.ts')).main,
  },
  try: {
    short: 'Start a server and some nodes on this machine, to try things with',
    load: async () => (await import('./try/main.ts')).main,
  },
}

async function run(args: readonly string[]): Promise<number> {
  const [command = '', ...rest] = args
  if (args.length === 1 && (command === '--version' || command === '-V')) {
    const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
    process.stdout.write(`${(JSON.parse(manifest) as { version: string }).version}\n`)
    return 0
  }
  if (Object.hasOwn(PROGRAMS, command))
    return (await (PROGRAMS[command] as { load: () => Promise<Program> }).load())(rest)
  const node = await import('./node/main.ts')
  const neighbours = Object.entries(PROGRAMS).map(([name, { short }]) => ({ name, short }))
  return node.main(args, undefined, neighbours)
}
// Whoever reads our output may stop reading: `sett admin nodes list | head`. That is no failure of ours.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    if (stream === process.stdout) process.stderr.write(`Cannot write the output: ${error.message}\n`)
    process.exit(1)
  })
process.exitCode = await run(process.argv.slice(2))
