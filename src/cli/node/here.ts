/** The surroundings of a real command line: this process, its terminal, its machine. */

import { lookup } from 'node:dns'
import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import { isatty } from 'node:tty'
import { CAPABILITY_VERSION } from '../../wire/capability-version.ts'
import { socketTransport } from './socket-transport.ts'
import type { Surroundings, Version } from './surroundings.ts'

export function here(): Surroundings {
  return {
    out: { write: (text) => void process.stdout.write(text) },
    err: { write: (text) => void process.stderr.write(text) },
    env: process.env,
    uid: process.getuid?.(),
    isTerminal: {
      err: isatty(2),
      inOut: isatty(0) && isatty(1),
    },
    sshClient,
    version,
    connect: socketTransport,
    lookUp,
    hasAddress: (ip) =>
      Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === ip) === true),
    readFile: (path) => readFileSync(path, 'utf8'),
    async readInput() {
      let whole = ''
      process.stdin.setEncoding('utf8')
      for await (const piece of process.stdin) whole += piece as string
      return whole
    },
    async readLine() {
      process.stdin.setEncoding('utf8')
      let line = ''
      for await (const piece of process.stdin) {
        line += piece as string
        if (line.includes('\n')) break
      }
      return line.split('\n', 1)[0] ?? ''
    },
    now: () => Date.now(),
    pause: async (ms, signal) => {
      await pause(ms, undefined, signal === undefined ? {} : { signal })
    },
    interrupted,
  }
}

/** Under sudo the variable is gone; the shell that the user logged in with, whose id is the session's, still has it. */
function sshClient(): string {
  if (!process.env['SUDO_USER']) return process.env['SSH_CLIENT'] ?? ''
  try {
    // Fields after the program's name in parentheses: state, parent, group, session (proc(5)).
    const fields = readFileSync('/proc/self/stat', 'utf8').split(') ').at(-1)?.split(' ')
    const variables = readFileSync(`/proc/${fields?.[3] ?? 'self'}/environ`, 'utf8').split('\0')
    return variables.find((text) => text.startsWith('SSH_CLIENT='))?.slice('SSH_CLIENT='.length) ?? ''
  } catch {
    return ''
  }
}

function version(): Version {
  const manifest = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
  const { version: long } = JSON.parse(manifest) as { version: string }
  return {
    majorMinorPatch: long.split('-', 1)[0] as string,
    short: long,
    long,
    isUnstable: long.includes('-'),
    capability: CAPABILITY_VERSION,
    runtime: `node version: ${process.version}`,
  }
}

/** The official words, and what to do. The system's resolver does not say which server it has asked. */
export function whyNotFound(host: string, error: NodeJS.ErrnoException): string {
  const { code, message } = error
  const why = code === 'ENOTFOUND' ? 'no such host' : code === 'EAI_AGAIN' ? 'server misbehaving' : message
  return `lookup ${host}: ${why} (no peer has that name either; "sett status" lists those there are)`
}

async function lookUp(host: string): Promise<readonly string[]> {
  const { promise, resolve, reject } = Promise.withResolvers<readonly string[]>()
  lookup(host, { all: true }, (error, found) => {
    if (error === null) return resolve(found.map(({ address }) => address))
    reject(new Error(whyNotFound(host, error)))
  })
  return promise
}

function interrupted(): AbortSignal {
  const controller = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => controller.abort(new Error(`ended by ${signal}`)))
  return controller.signal
}
