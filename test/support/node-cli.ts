/** The node's command line with surroundings of a test, and a fake daemon that a real one's recordings fill. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { main } from '../../src/cli/node/main.ts'
import { socketTransport } from '../../src/cli/node/socket-transport.ts'
import type { Surroundings } from '../../src/cli/node/surroundings.ts'
import { FakeDaemon } from './fake-daemon.ts'
import type { DaemonState, Json, RecordedAnswer } from './fake-daemon.ts'

export interface RecordedRun {
  readonly name: string
  readonly args: readonly string[]
  readonly exit: number
  readonly stdout: string
  readonly stderr: string
}

function vectors(name: string): unknown {
  const text = readFileSync(new URL(`../vectors/${name}`, import.meta.url), 'utf8')
  return (JSON.parse(text) as { cases: unknown }).cases
}
export const RUNS = vectors('cli.json') as readonly RecordedRun[]
const ANSWERS = vectors('localapi.json') as readonly RecordedAnswer[]

/** What a recorded command line printed, which stands for the daemon's answer behind it. */
export function printed(name: string): Json {
  return JSON.parse(RUNS.find((run) => run.name === name)?.stdout ?? '') as Json
}

export function answered(name: string): Json {
  return ANSWERS.find((answer) => answer.name === name)?.json as Json
}

/** As the recorded command lines found the daemon: the later of two recordings of one request counts. */
function statusOf(name: DaemonState['status'], peers: boolean): Json {
  if (name !== 'status') return answered(name)
  return printed(peers ? 'status --json' : 'status --json --peers=false')
}

export interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

export class NodeCli implements AsyncDisposable {
  readonly daemon: FakeDaemon
  readonly #dir: string
  /** Parts of the surroundings that a test wants otherwise. */
  around: Partial<Surroundings> = {}

  private constructor(dir: string, daemon: FakeDaemon) {
    this.#dir = dir
    this.daemon = daemon
  }

  static async start(): Promise<NodeCli> {
    const dir = mkdtempSync(join(tmpdir(), 'sett-cli-'))
    // Two recordings of the same request differ in what happened between; the earlier one is kept.
    const answers = ANSWERS.toReversed()
    const state: DaemonState = { status: 'status before login', prefs: answered('preferences before login') }
    return new NodeCli(dir, await FakeDaemon.start(join(dir, 'settd.sock'), answers, state, statusOf))
  }

  /** Makes the daemon one that has joined, with these preferences beside those of the recorded node. */
  joined(prefs: Json = {}): void {
    this.daemon.state = { status: 'status', prefs: { ...printed('debug prefs'), ...prefs } }
    this.daemon.requests.length = 0
    this.daemon.override = () => undefined
    this.daemon.afterUp = [{ State: 6 }]
    this.around = {}
  }

  async run(...args: readonly string[]): Promise<Ran> {
    const said = { out: '', err: '' }
    const at: Surroundings = {
      out: { write: (text) => void (said.out += text) },
      err: { write: (text) => void (said.err += text) },
      env: { SETT_SOCKET: this.daemon.socket },
      uid: 0,
      isTerminal: { err: false, inOut: false },
      sshClient: () => '',
      version: () => ({
        majorMinorPatch: '1.103.0',
        short: '1.103.0-ERR-BuildInfo',
        long: '1.103.0-ERR-BuildInfo',
        isUnstable: true,
        capability: 145,
        runtime: 'go version: go1.26.8',
      }),
      connect: socketTransport,
      lookUp: async (host) => Promise.reject(new Error(`lookup ${host} on 192.0.2.53:53: no such host`)),
      hasAddress: () => true,
      readFile: (path) => readFileSync(path, 'utf8'),
      readInput: async () => '',
      readLine: async () => '',
      now: () => Date.parse('2026-11-22T21:10:00Z'),
      pause: async () => {},
      interrupted: () => new AbortController().signal,
      ...this.around,
    }
    const code = await main(args, at)
    return { code, ...said }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.daemon[Symbol.asyncDispose]()
    rmSync(this.#dir, { recursive: true, force: true })
  }
}
