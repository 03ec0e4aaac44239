/** `settd`, the node daemon: reads its flags as tailscaled's are read, starts, and stops when it is told to. */

import { existsSync, readFileSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { onOneLine } from './io/log-line.ts'

/** The server's is another, which belongs to another user. */
const DEFAULT_STATE_DIR = '/var/lib/settd'

const USAGE = `Usage: settd [flags]

The node daemon of Sett: joins this machine to a tailnet. "sett up" tells it to.

  --state FILE       keep what must outlive this process here; mem: for nowhere (/var/lib/settd/settd.state)
  --statedir DIR     folder of what is kept beside it (that of the state file)
  --socket PATH      where "sett" finds it (/var/run/sett/settd.sock)
  --tun NAME         name of the TUN device (sett0)
  --port N           UDP port for packets of peers; 0: any (41641)
  --ceiling FILE     what this machine's owner forbids, whatever servers and users say (/etc/sett/ceiling.json, if it is there)
  --verbose N        taken for tailscaled's sake; settd logs the same at every level
  --cleanup          undo what a daemon that died has left on this machine, and end
  --version          print the version, and end
`

const FLAGS = {
  state: { type: 'string' },
  statedir: { type: 'string' },
  socket: { type: 'string', default: '/var/run/sett/settd.sock' },
  tun: { type: 'string', default: 'sett0' },
  port: { type: 'string', default: '41641' },
  ceiling: { type: 'string' },
  verbose: { type: 'string', default: '0' },
  cleanup: { type: 'boolean' },
  version: { type: 'boolean', short: 'V' },
  help: { type: 'boolean', short: 'h' },
} as const
/** Flags of tailscaled that mean something which is not built: whoever gives one must not believe that it works. */
const NOT_BUILT = [
  'bird-socket',
  'config',
  'debug',
  'encrypt-state',
  'hardware-attestation',
  'no-logs-no-support',
  'outbound-http-proxy-listen',
  'socks5-server',
]

class BadFlag extends Error {}

function readFlags(args: readonly string[]) {
  // Go takes one hyphen for two.
  const words = args.map((word) => (/^-[a-z][a-z0-9-]+(=|$)/.test(word) ? `-${word}` : word))
  for (const word of words) {
    const name = /^--([a-z0-9-]+)/.exec(word)?.[1] ?? ''
    if (name === 'no-logs-no-support') throw new BadFlag('--no-logs-no-support is not needed: settd sends nobody logs')
    if (NOT_BUILT.includes(name)) throw new BadFlag(`--${name} is not part of this version of Sett`)
  }
  try {
    return parseArgs({ args: words, options: FLAGS, allowPositionals: false }).values
  } catch (error) {
    throw new BadFlag((error as Error).message)
  }
}

function version(): string {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(manifest) as { version: string }).version
}

async function main(args: readonly string[]): Promise<number> {
  const flags = readFlags(args)
  if (flags.help === true) {
    process.stdout.write(USAGE)
    return 0
  }
  if (flags.version === true) {
    process.stdout.write(`${version()}\n`)
    return 0
  }
  if (flags.tun === 'userspace-networking')
    throw new BadFlag('--tun userspace-networking is not part of this version of Sett: it needs a TUN device')
  if (!/^\d{1,5}$/.test(flags.port) || Number(flags.port) > 65_535) throw new BadFlag('--port: want 0 to 65535')
  if (!/^\d$/.test(flags.verbose)) throw new BadFlag('--verbose: want 0 to 9')
  if (process.platform !== 'linux') throw new BadFlag(`settd runs on Linux only, and this is ${process.platform}`)
  const state = flags.state ?? join(flags.statedir ?? DEFAULT_STATE_DIR, 'settd.state')
  const stateDir = flags.statedir ?? (state.startsWith('mem:') ? DEFAULT_STATE_DIR : dirname(state))
  if (flags.cleanup === true) return cleanUpHere(stateDir)
  // While the rest is read, another core starts what packets will go through.
  const { prepareThread } = await import('./io/pump/thread.ts')
  prepareThread()
  const [{ startDaemon }, { tellServiceManager }] = await Promise.all([
    import('./io/daemon.ts'),
    import('../crypto/io/service-manager.ts'),
  ])
  const log = openLog()
  const { socket, tun, port, ceiling } = flags
  const ended = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve())
    asked = resolve
  })
  const daemon = await startDaemon({
    state,
    stateDir,
    socket,
    tun,
    port: Number(port),
    version: version(),
    ...(ceiling === undefined ? {} : { ceiling }),
    log,
    asked: () => asked(),
  })
  const tell = (state: 'READY=1' | 'STOPPING=1'): void => {
    const problem = tellServiceManager(state)
    if (problem !== undefined) log.write(problem)
  }
  tell('READY=1')
  // Node keeps compiled code when a process ends by itself; this one may be killed, and shall start quickly next time.
  flushCompileCache()
  await ended
  log.write('ending')
  tell('STOPPING=1')
  await daemon.close()
  return 0
}

let asked: () => void = () => {}

async function cleanUpHere(stateDir: string): Promise<number> {
  const [{ cleanUp }, { lockFolder }] = await Promise.all([import('./io/host/host.ts'), import('./io/state-lock.ts')])
  // Where there is no folder, nobody has it, and cleaning up makes none.
  const lock = existsSync(stateDir) ? await lockFolder(stateDir) : 'none'
  if (lock === undefined) {
    process.stderr.write(`settd: Cannot clean up: a settd runs with state folder ${stateDir}. Stop it first\n`)
    return 1
  }
  const problems = await cleanUp(stateDir)
  for (const { text } of problems) process.stderr.write(`settd: ${text}\n`)
  if (lock !== 'none') lock.close()
  return problems.length === 0 ? 0 : 1
}

function openLog() {
  const tails = new Set<(line: string) => void>()
  return {
    write(text: string): void {
      const line = onOneLine(text)
      process.stderr.write(`${new Date().toISOString()} ${line}\n`)
      for (const tell of tails) tell(line)
    },
    tail(tell: (line: string) => void): () => void {
      tails.add(tell)
      return () => void tails.delete(tell)
    },
  }
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`settd: ${(error as Error).message}\n`)
  process.exitCode = error instanceof BadFlag ? 2 : 1
}
