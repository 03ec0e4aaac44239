/** What the node's command line has around it; a test gives it another. */

import type { LocalTransport } from '../../sdk/local-client.ts'

export interface Output {
  write(text: string): void
}

export interface Version {
  /** `1.2.3` */
  readonly majorMinorPatch: string
  readonly short: string
  readonly long: string
  readonly isUnstable: boolean
  /** Version of what clients and servers tell each other (control.md §15). */
  readonly capability: number
  /** What runs us: `node version: v26.10.0`. */
  readonly runtime: string
}

export interface Surroundings {
  readonly out: Output
  readonly err: Output
  readonly env: Readonly<Record<string, string | undefined>>
  /** Number of the user, where there are such. */
  readonly uid: number | undefined
  /** Is a person looking at what we write to `err`, or answering to what we write to `out`? */
  readonly isTerminal: { readonly err: boolean; readonly inOut: boolean }
  /** Where this session was opened from, as SSH tells it: `address port port`; empty when it was not. */
  sshClient(): string
  version(): Version
  connect(socket: string): LocalTransport
  /** Addresses of a name, as the machine finds them. Rejects with an Error that says why not. */
  lookUp(host: string): Promise<readonly string[]>
  /** Does an interface of this machine have the address? */
  hasAddress(ip: string): boolean
  readFile(path: string): string
  /** All of standard input. */
  readInput(): Promise<string>
  /** One line of standard input, without its end. */
  readLine(): Promise<string>
  /** Now, in milliseconds since 1970. */
  now(): number
  pause(ms: number, signal?: AbortSignal): Promise<void>
  /** Aborts when the user interrupts, from the first call on; until then an interrupt ends the process. */
  interrupted(): AbortSignal
}
