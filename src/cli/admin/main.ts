/**
 * `sett admin`: the server's administration on the command line. It is a client of the REST API and nothing more:
 * whatever it can do, a program with a token can.
 */

import { Command, CommanderError } from 'commander'
import { MeshError } from '../../base/errors.ts'
import { addApprovals } from './commands/approvals.ts'
import { addDns } from './commands/dns.ts'
import { addInvites } from './commands/invites.ts'
import { addKeys, addTokens } from './commands/keys.ts'
import { addLog } from './commands/log.ts'
import { addLogin } from './commands/login.ts'
import { addNodes } from './commands/nodes.ts'
import { addProviders, addSessions } from './commands/people.ts'
import { addOauth } from './commands/oauth.ts'
import { addPolicy } from './commands/policy.ts'
import { addRoutes } from './commands/routes.ts'
import { addScim } from './commands/scim.ts'
import { addStatus, addTailnets } from './commands/tailnets.ts'
import { addUsers } from './commands/users.ts'
import { addWebhooks } from './commands/webhooks.ts'
import { connect } from './connect.ts'
import type { Env, Where } from './connect.ts'
import type { Begin } from './context.ts'
import { Told } from './policy-print.ts'
import { plain } from './print.ts'
import type { Output } from './print.ts'

export interface Surroundings {
  readonly out: Output
  readonly err: Output
  readonly env: Env
}

type Globals = Where & { readonly tailnet: string; readonly json?: true }

const EXITS = `
The server is found by its socket: --socket, SETT_SOCKET, or admin.sock in the data folder (SETT_DATA, or where
\`sett coord\` keeps it). From elsewhere, by --url and a token in SETT_TOKEN.

Exit codes: 0 done, 1 refused or not found, 2 the command line is wrong, 3 the server cannot be reached.`

/** Runs one command. Resolves with its exit code; prints what went wrong itself. */
export async function main(args: readonly string[], at: Surroundings = here()): Promise<number> {
  const admin = new Command('sett admin')
    .description('administer a coordination server')
    .option('--socket <PATH>', 'socket of a server on this machine')
    .option('--url <URL>', 'a server elsewhere; needs a token')
    .option('--token <TOKEN>', 'API token, or file:PATH to read it from; better in SETT_TOKEN')
    .option('--tailnet <NAME>', 'which tailnet, by name or id; the first one, or the token’s, if not given', '-')
    .option('--json', 'print what the API answers, for programs')
    .addHelpText('after', EXITS)
    .exitOverride()
    .configureOutput({ writeOut: (text) => at.out.write(text), writeErr: (text) => at.err.write(text) })

  const begin: Begin = () => {
    const { tailnet, json, ...where } = admin.opts<Globals>()
    return { client: connect(where, at.env), tailnet, json: json === true, out: at.out, err: at.err }
  }
  addNodes(admin, begin)
  addRoutes(admin, begin)
  addApprovals(admin, begin)
  addUsers(admin, begin)
  addInvites(admin, begin)
  addKeys(admin, begin)
  addTokens(admin, begin)
  addOauth(admin, begin)
  addLogin(admin, begin)
  addProviders(admin, begin)
  addSessions(admin, begin)
  addScim(admin, begin)
  addPolicy(admin, begin)
  addDns(admin, begin)
  addLog(admin, begin)
  addWebhooks(admin, begin)
  addTailnets(admin, begin)
  addStatus(admin, begin)

  try {
    await admin.parseAsync([...args], { from: 'user' })
    return 0
  } catch (error) {
    return failed(error, at.err)
  }
}
export { main as runAdmin }

function failed(error: unknown, err: Output): number {
  // Commander has printed its own complaints, and help that was asked for is none.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  if (error instanceof Told) return 1
  if (!(error instanceof MeshError)) throw error
  err.write(`sett admin: ${plain(error.message)}\n`)
  return error.code === 'config/invalid' ? 2 : error.code === 'api/unreachable' ? 3 : 1
}

function here(): Surroundings {
  return {
    out: { write: (text) => void process.stdout.write(text) },
    err: { write: (text) => void process.stderr.write(text) },
    env: process.env,
  }
}
