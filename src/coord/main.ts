/**
 * `sett coord`: reads what the command line says, and runs the server until it is told to stop. The server itself
 * is loaded only when the command line is right.
 */

import { Command, CommanderError } from 'commander'
import { MeshError } from '../base/errors.ts'
import { resolveConfig, sayings } from './io/config/config.ts'
import type { Sources, Texts } from './io/config/config.ts'
import { checkTlsFiles, readConfigFile } from './io/config/files.ts'
import { helpOf, OPTION_NAMES, OPTIONS, variableOf } from './io/config/options.ts'
import type { Config, OptionName } from './io/config/options.ts'
import { thisHost } from './io/host.ts'
import type { MountedRelay, RelayWish } from './io/relay-mount.ts'
import type { StunServer } from '../relay/relay.ts'

export interface Surroundings {
  readonly out: { write(text: string): void }
  readonly err: { write(text: string): void }
  readonly env: Readonly<Record<string, string | undefined>>
}

/** Exit codes: 0 done, 1 failed, 2 the command line or configuration is wrong. */
export async function main(args: readonly string[], at: Surroundings = here()): Promise<number> {
  let code = 0
  const command = new Command('sett coord')
    .description('Run the coordination server. It needs no configuration: it makes its keys and database itself.')
    .option(
      '--config <FILE>',
      'file with "option = value" lines; flags and SETT_… variables count before it (default: none)',
      once('config'),
    )
    // Said in our own words below.
    .allowExcessArguments(true)
    .exitOverride()
    .configureOutput({ writeOut: (text) => at.out.write(text), writeErr: (text) => at.err.write(text) })
    .addHelpText('after', `\nEvery option is also a variable: --listen is ${variableOf('listen')}.`)
    .action(async () => {
      const [unknown] = command.args
      if (unknown !== undefined)
        throw new MeshError(
          'config/invalid',
          `There is no command ${JSON.stringify(unknown)}; there are backup, restore and import, and without one the server runs`,
        )
      const sources = readSources(command.opts(), at.env)
      const config = resolveConfig(sources, thisHost())
      if (typeof config.tls === 'object') checkTlsFiles(sayings(sources)('tls')?.where ?? '--tls', config.tls)
      const { runServer } = await import('./io/run.ts')
      code = await runServer(config, mountRelay)
    })
  addBackup(command, at)
  addImport(command)
  for (const name of OPTION_NAMES) command.option(`--${name} <${OPTIONS[name].arg}>`, helpOf(name), once(name))
  try {
    if (args[0] === 'import') await runImport(args.slice(1), at)
    else await command.parseAsync(args, { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    if (!(error instanceof MeshError)) throw error
    at.err.write(`sett coord: ${error.message}\n`)
    return error.code === 'config/invalid' ? 2 : 1
  }
  return code
}

/** Options that take several values at once. */
const LISTS: ReadonlySet<string> = new Set(['listen', 'http-listen', 'trusted-proxy', 'stun-listen'])

/** An option's text; saying it twice is a mistake, as it is in a file. */
function once(name: OptionName | 'config'): (text: string, before: string | undefined) => string {
  return (text, before) => {
    if (before === undefined) return text
    const how = LISTS.has(name) ? 'say it once, its values separated by commas' : 'say it once'
    throw new MeshError('config/invalid', `Cannot use --${name}: it is said twice; ${how}`)
  }
}

/** Copies of the database, made while the server runs or not, and taken back while it does not. */
function addBackup(command: Command, at: Surroundings): void {
  command
    .command('backup')
    .description('write everything the database holds to a file; the server may be running')
    .argument('<FILE>', 'file to write')
    .allowExcessArguments(false)
    .addHelpText('after', SHARED_HELP)
    .action(async (file: string) => {
      const { database, data } = readConfig(command.opts(), at.env)
      const { backupTo } = await import('./io/store/backup.ts')
      const info = await backupTo(database.reveal(), file)
      at.out.write(
        `Wrote ${file}: ${info.records} records of ${tailnets(info)}. Keep the keys in ${data} with it; they are not part of it.\n`,
      )
    })
  command
    .command('restore')
    .description('read a backup into the database; stop the server first')
    .argument('<FILE>', 'file that "sett coord backup" wrote')
    .option('--force', 'replace what the database holds, all of it')
    .allowExcessArguments(false)
    .addHelpText('after', SHARED_HELP)
    .action(async (file: string, flags: { readonly force?: true }) => {
      const config = readConfig(command.opts(), at.env)
      const { openFolder } = await import('./io/folder.ts')
      const { restoreFrom } = await import('./io/store/backup.ts')
      const begin = () => void openFolder(config.data)
      const info = await restoreFrom(file, config.database.reveal(), { force: flags.force === true, begin })
      at.out.write(`Restored ${info.records} records of ${tailnets(info)} from ${file}.\n`)
    })
}

/** Listed here for the help; it runs by itself, since its options are those of another server. */
function addImport(command: Command): void {
  command
    .command('import')
    .description('take over another coordination server, Headscale: see "sett coord import headscale --help"')
    .allowUnknownOption(true)
    .allowExcessArguments(true)
    .action(() => {
      throw new MeshError('config/invalid', 'Cannot import: write "sett coord import headscale", and options behind it')
    })
}

async function runImport(args: readonly string[], at: Surroundings): Promise<void> {
  const { importCommand } = await import('./io/import/command.ts')
  const configOf = (said: Flags): Config => readConfig(said, at.env)
  await importCommand({ out: at.out, err: at.err, configOf }).parseAsync(args, { from: 'user' })
}

/** The server's own scope counts as a feed, and is no tailnet. */
function tailnets(info: { readonly tailnets: number }): string {
  const count = Math.max(0, info.tailnets - 1)
  return `${count} ${count === 1 ? 'tailnet' : 'tailnets'}`
}

function here(): Surroundings {
  return {
    out: { write: (text) => void process.stdout.write(text) },
    err: { write: (text) => void process.stderr.write(text) },
    env: process.env,
  }
}

/** The server's options count for its commands too; these are those that they look at. */
const SHARED_HELP = `
Options of "sett coord" that say which database:
  --data <FOLDER>   ${helpOf('data')}
  --database <URL>  ${helpOf('database')}
  --config <FILE>   file with such options
Each is also a variable, such as ${variableOf('data')}.`

type Flags = Readonly<Record<string, string | undefined>>

function readConfig(flags: Flags, env: Surroundings['env']): Config {
  return resolveConfig(readSources(flags, env), thisHost())
}

/** Commander gives camel case; we speak of options as they are written. */
function readSources(flags: Flags, env: Surroundings['env']): Sources {
  const texts: { -readonly [name in keyof Texts]: Texts[name] } = {}
  for (const name of OPTION_NAMES) texts[name] = flags[name.replace(/-(.)/g, (_, c: string) => c.toUpperCase())]
  const named = flags['config']
  const file = named ?? (env['SETT_CONFIG'] || undefined)
  if (file === undefined) return { flags: texts, env }
  const text = readConfigFile(named === undefined ? variableOf('config') : '--config', file)
  return { flags: texts, env, file: { name: file, text } }
}

/**
 * Starts the relay as the server wants it: this is the one place where the two programs meet.
 *
 * @throws MeshError `config/invalid` when an address can't be had
 */
async function mountRelay(wish: RelayWish): Promise<MountedRelay> {
  const { keepCertificate, startRelay, startStun } = await import('../relay/relay.ts')
  const { listen, stun, host, tls } = wish
  const certificate = tls === 'off' ? await keepCertificate(wish.folder, [host], new Date()) : tls.current
  const relay = await startRelay({
    listen,
    key: wish.key,
    tls: certificate,
    stun: [],
    held: true,
    admission: {
      admits(key) {
        const realm = wish.realmOf(key)
        return realm === undefined ? undefined : { realm }
      },
    },
    log: (event, fields) => wish.log(event, fields),
    bootstrapDns: () => wish.bootstrapDns(),
  }).catch((cause: Error) => refuse('--relay-listen', listen, cause))
  if (tls !== 'off') {
    // It may have been replaced while the relay was started.
    if (tls.current !== certificate) relay.setCertificate(tls.current)
    tls.follow((pair) => relay.setCertificate(pair))
  }
  const stuns: StunServer[] = []
  const closeStuns = () => Promise.all(stuns.map((each) => each.close()))
  try {
    for (const at of stun) {
      stuns.push(await startStun(at.host, [at.port]).catch((cause: Error) => refuse('--stun-listen', at, cause)))
    }
  } catch (error) {
    await Promise.all([relay.close(), closeStuns()])
    throw error
  }
  return {
    port: relay.address.port,
    stunPorts: stuns.flatMap((each) => each.ports),
    pin: tls === 'off' ? relay.pin() : undefined,
    open: () => relay.open(),
    refreshAdmission: () => relay.refreshAdmission(),
    counts() {
      const { hub } = relay.metrics()
      return {
        connections: hub.gauge_current_connections,
        queuedBytes: hub.gauge_queued_bytes,
        bytesReceived: hub.counters.bytes_received,
        bytesSent: hub.counters.bytes_sent,
        packetsReceived: hub.counters.packets_received,
        packetsSent: hub.counters.packets_sent,
        dropped: Object.entries(hub.packets_dropped).map(([reason, { disco, other }]) => [reason, disco + other]),
        stunAnswers: stuns.reduce((sum, each) => sum + each.counters.success, 0),
      }
    },
    async close(drainMs) {
      await Promise.all([relay.close({ drainMs }), closeStuns()])
    },
  }
}

function refuse(option: string, { host, port }: { readonly host: string; readonly port: number }, cause: Error): never {
  const why = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE' ? 'another program listens there' : cause.message
  const where = `${host.includes(':') ? `[${host}]` : host}:${port}`
  throw new MeshError('config/invalid', `Cannot listen on ${where}: ${why}; choose another place with ${option}`, {
    cause,
  })
}
