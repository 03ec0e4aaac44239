/** A command in a namespace, run to its end: what it printed and how it ended, whatever that is. */
import { readFileSync } from 'node:fs'

import type { Namespace } from '../../lab/namespace.ts'
import type { Ran } from '../../support/node-cli.ts'

export type { Ran } from '../../support/node-cli.ts'

let runs = 0

export async function ranIn(at: Namespace, command: string, args: readonly string[]): Promise<Ran> {
  const errors = `${at.dir}/stderr-${(runs += 1)}`
  // The machine's own settings may name certificates that a namespace has not.
  const script = 'unset NODE_EXTRA_CA_CERTS; "$@" 2>"$0"; echo "exit $?"'
  const text = await at.exec('sh', ['-c', script, errors, command, ...args], { timeoutMs: 90_000 })
  const [, out = '', code = '-1'] = /^([^]*)exit (\d+)\n$/.exec(text) ?? []
  return { code: Number(code), out, err: readFileSync(errors, 'utf8') }
}
