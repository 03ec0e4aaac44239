/** What a verb of the node's command line is: its flags, its words, and what it does. */

import type { Flags, FlagValues } from './flags.ts'
import type { Surroundings } from './surroundings.ts'
import type { LocalClient } from '../../sdk/local-client.ts'

/** What a verb works with. */
export interface Context {
  readonly node: LocalClient
  readonly flags: FlagValues
  /** What is left of the command line after the flags. */
  readonly args: readonly string[]
  /** Where the daemon is asked. */
  readonly socket: string
  readonly at: Surroundings
}

export interface Command {
  readonly name: string
  /** One or more lines: `sett ip [-1] [-4]`. */
  readonly usage: string
  readonly short: string
  readonly long?: string
  readonly flags?: Flags
  /** Values of flags that nobody gave are not shown: they mean "as it is". */
  readonly hideDefaults?: true
  readonly subcommands?: readonly Command[]
  /** Resolves when it is done; rejects with a MeshError that says what is wrong, with `Exit`, or with `AskedForHelp`. */
  readonly run?: (context: Context) => Promise<void>
}

/** Ends the command with this code; whatever there was to say has been said. */
export class Exit extends Error {
  readonly code: number

  constructor(code: number) {
    super(`exit code ${code}`)
    this.code = code
  }
}

/** Ends the command by printing how it is used. */
export class AskedForHelp extends Error {}
