/**
 * The server as a process: what is printed at its start, signals, and errors that nobody expected.
 */

import { flushCompileCache } from 'node:module'
import { join } from 'node:path'
import { tellServiceManager } from '../../crypto/io/service-manager.ts'
import type { ServiceState } from '../../crypto/io/service-manager.ts'
import type { Config } from './config/options.ts'
import { defaultData } from './config/config.ts'
import { printsToJournal, thisHost } from './host.ts'
import { createLog, stderrSink } from './log.ts'
import type { MountRelay } from './relay-mount.ts'
import { readVersion, startServer } from './server.ts'
import type { RunningServer } from './server.ts'

/** Whoever stops a service kills it after some ten seconds; we are done before. */
const DRAIN_MS = 5_000

/** Runs until SIGTERM or SIGINT; gives the exit code. A second signal ends the process at once. */
export async function runServer(config: Config, mountRelay: MountRelay): Promise<number> {
  // Everything that is made from now on is for its owner alone: database, socket, whatever else.
  process.umask(0o077)
  const sink = stderrSink()
  const log = createLog({ level: config.logLevel, format: config.logFormat, sink })
  const die = (event: string, err?: unknown): never => {
    log.error(event, err === undefined ? {} : { err })
    sink.flush()
    process.exit(1)
  }
  process.on('uncaughtException', (err) => die('unexpected error', err))
  process.on('unhandledRejection', (err) => die('unexpected error in a promise', err))

  let stopping = false
  const asked = new Promise<string>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        if (stopping) process.exit(1)
        stopping = true
        resolve(signal)
      })
    }
  })
  const server = await startServer(config, { log, mountRelay, version: readVersion() })
  process.stdout.write(await banner(server))
  if (server.certificate() !== undefined && server.certificate()?.until === undefined) awaitCertificate(server)
  const tell = (state: ServiceState): void => {
    const problem = tellServiceManager(state)
    if (problem !== undefined) log.warn(problem)
  }
  tell('READY=1')
  // Node keeps compiled code when a process ends by itself; this one may be killed, and shall start quickly next time.
  flushCompileCache()
  const signal = await asked
  tell('STOPPING=1')
  log.info('stopping', { signal })
  const late = setTimeout(() => die('could not stop in time'), DRAIN_MS)
  await server.stop()
  clearTimeout(late)
  log.info('stopped')
  sink.flush()
  return 0
}

/** Says on a terminal what is missing still, and when it has come; the log has it with its reasons. */
function awaitCertificate(server: RunningServer): void {
  const { hostname } = new URL(server.url)
  process.stdout.write(
    `There is no certificate for ${hostname} yet; machines can join once it is here. The log says how it goes.\n`,
  )
  let said = false
  server.onCertificate(() => {
    if (!said) process.stdout.write(`The certificate for ${hostname} is here: machines can join.\n`)
    said = true
  })
}

/** What a person needs next. A journal keeps what is printed, so it gets no key. */
async function banner(server: RunningServer): Promise<string> {
  const usual = server.data === defaultData(thisHost(), process.env)
  const admin = `sett admin ${usual ? '' : `--socket ${join(server.data, 'admin.sock')} `}keys create`
  if (printsToJournal(process.env)) {
    return `Sett is running at ${server.url}\nMachines join with a key from: ${admin}\n`
  }
  const key = await server.welcome()
  const link = await server.ownerLink()
  return `
Sett is running at ${server.url}

Join a machine; this key works once, within the hour:

  tailscale up --login-server ${server.url} --auth-key ${key.reveal()}

More keys: ${admin}
${link === undefined ? '' : `\nLog in by a browser as the owner; this link works once, within a day:\n\n  ${link.reveal()}\n`}
`
}
