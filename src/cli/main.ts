/**
 * `sett`: which program a command line means. Each is loaded only when it is asked for.
 */

import { readFileSync } from 'node:fs'

const USAGE = `Usage: sett COMMAND [OPTIONS]

A private network that you run yourself.

Commands:
  coord   run the coordination server, with its relay
  admin   administer a coordination server

Options:
  -V, --version  print the version
  -h, --help     print this help; "sett COMMAND --help" says more
`

type Program = (args: readonly string[]) => Promise<number>

const PROGRAMS: { readonly [command: string]: () => Promise<Program> } = {
  coord: async () => (await import('../coord/main.ts')).main,
  admin: async () => (await import('./admin/main.ts')).main,
}

async function run(args: readonly string[]): Promise<number> {
  const [command, ...rest] = args
  if (command === '--version' || command === '-V') {
    const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
    process.stdout.write(`${(JSON.parse(manifest) as { version: string }).version}\n`)
    return 0
  }
  if (command === '--help' || command === '-h' || command === 'help') {
    process.stdout.write(USAGE)
    return 0
  }
  const load = command !== undefined && Object.hasOwn(PROGRAMS, command) ? PROGRAMS[command] : undefined
  if (load === undefined) {
    const complaint = command === undefined ? '' : `sett: there is no command ${JSON.stringify(command)}\n\n`
    process.stderr.write(complaint + USAGE)
    return 2
  }
  return (await load())(rest)
}

// Whoever reads our output may stop reading: `sett admin nodes list | head`. That is no failure of ours.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(0)
  })
process.exitCode = await run(process.argv.slice(2))
