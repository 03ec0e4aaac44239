/**
 * The server as a process: what is printed at its start, signals, and errors that nobody expected.
 */

import type { Config } from './config/options.ts'
import { createLog, stderrSink } from './log.ts'
import { startServer } from './server.ts'
import type { RunningServer } from './server.ts'

/** Whoever stops a service kills it after some ten seconds; we are done before. */
const DRAIN_MS = 5_000

/** Runs until SIGTERM or SIGINT; gives the exit code. A second signal ends the process at once. */
export async function runServer(config: Config): Promise<number> {
  // Everything that is made from now on is for its owner alone: database, socket, whatever else.
  process.umask(0o077)
  const sink = stderrSink()
  const log = createLog({ level: config.logLevel, format: config.logFormat, sink })
  const dying = (event: string) => (err: unknown) => {
    log.error(event, { err })
    sink.flush()
    process.exit(1)
  }
  process.on('uncaughtException', dying('unexpected error'))
  process.on('unhandledRejection', dying('unexpected error in a promise'))

  const asked = new Promise<string>((resolve) => {
    let signals = 0
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        if (signals++ > 0) process.exit(1)
        resolve(signal)
      })
    }
  })
  const server = await startServer(config, log)
  process.stdout.write(banner(server))
  const signal = await asked
  log.info('stopping', { signal })
  const late = setTimeout(() => dying('could not stop in time')(undefined), DRAIN_MS)
  await server.stop()
  clearTimeout(late)
  log.info('stopped')
  sink.flush()
  return 0
}

function banner(server: RunningServer): string {
  return `Sett is running at ${server.url}\n`
}
