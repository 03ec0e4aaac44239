/** `sett coord`: reads what the command line says, and runs the server until it is told to stop. */

import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { MeshError } from '../base/errors.ts'
import { resolveConfig } from './io/config/config.ts'
import type { Texts } from './io/config/config.ts'
import { OPTION_NAMES, OPTIONS, variableOf } from './io/config/options.ts'
import type { Config } from './io/config/options.ts'
import { thisHost } from './io/host.ts'
import type { MountedRelay, RelayWish } from './io/relay-mount.ts'
import { runServer } from './io/run.ts'
import { keepCertificate, readCertificate, startRelay, startStun } from '../relay/relay.ts'
import type { StunServer } from '../relay/relay.ts'

/** Exit codes: 0 done, 1 failed, 2 the command line or configuration is wrong. */
export async function main(args: readonly string[]): Promise<number> {
  let code = 0
  const command = new Command('sett coord')
    .description('Run the coordination server. It needs no configuration: it makes its keys and database itself.')
    .option('--config <FILE>', 'file with "option = value" lines; flags and SETT_… variables count before it')
    .allowExcessArguments(false)
    .exitOverride()
    .addHelpText('after', `\nEvery option is also a variable: --listen is ${variableOf('listen')}.`)
    .action(async (flags: Texts & { config?: string }) => {
      code = await runServer(readConfig(flags), mountRelay)
    })
  for (const name of OPTION_NAMES) command.option(`--${name} <${OPTIONS[name].arg}>`, OPTIONS[name].help)
  try {
    await command.parseAsync(args, { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    if (!(error instanceof MeshError)) throw error
    process.stderr.write(`sett coord: ${error.message}\n`)
    return error.code === 'config/invalid' ? 2 : 1
  }
  return code
}

/** Commander gives camel case; we speak of options as they are written. */
function readConfig(flags: { readonly [camel: string]: string | undefined }): Config {
  const texts: { [name: string]: string | undefined } = {}
  for (const name of OPTION_NAMES) texts[name] = flags[name.replace(/-(.)/g, (_, c: string) => c.toUpperCase())]
  const file = flags['config'] ?? (process.env['SETT_CONFIG'] || undefined)
  return resolveConfig(
    { flags: texts, env: process.env, ...(file === undefined ? {} : { file: { name: file, text: readFile(file) } }) },
    thisHost(),
  )
}

function readFile(name: string): string {
  try {
    return readFileSync(name, 'utf8')
  } catch (cause) {
    throw new MeshError('config/invalid', `Cannot read the configuration ${name}: ${(cause as Error).message}`, {
      cause,
    })
  }
}

/**
 * Starts the relay as the server wants it: this is the one place where the two programs meet.
 *
 * @throws MeshError `config/invalid` when an address can't be had
 */
async function mountRelay(wish: RelayWish): Promise<MountedRelay> {
  const { listen, stun, host, tls } = wish
  const certificate =
    tls === 'off' ? await keepCertificate(wish.folder, [host], new Date()) : await readCertificate(tls.cert, tls.key)
  const relay = await startRelay({
    listen,
    key: wish.key,
    tls: certificate,
    stun: [],
    admission: {
      admits(key) {
        const realm = wish.realmOf(key)
        return realm === undefined ? undefined : { realm }
      },
    },
    log: (event, fields) => wish.log(event, fields),
    bootstrapDns: () => wish.bootstrapDns(),
  }).catch((cause: Error) => refuse('--relay-listen', listen, cause))
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
