/**
 * The REST API as Node's HTTP server calls it. Loaded when somebody asks it first: with its schemas it weighs more
 * than the rest of the server, and a server that comes back to hundreds of clients has better things to do.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import type { Account } from '../../model/actors.ts'
import { createRest } from '../../rest/rest.ts'
import type { Identity, RestOptions } from '../../rest/rest.ts'

export type RestListener = (req: IncomingMessage, res: ServerResponse) => Promise<void>

/**
 * Listeners for callers who bring a token, and for those whom the socket vouches for.
 *
 * @param addressOf The caller's address, for the log
 * @param accountOf Whose process it is that the socket vouches for
 */
export function createRestListeners(
  options: RestOptions,
  addressOf: (req: IncomingMessage) => string,
  accountOf: (req: IncomingMessage) => Account,
): Record<'token' | 'server', RestListener> {
  const rest = createRest(options)
  const listener = (who: (req: IncomingMessage) => { identity?: Identity; from?: string }): RestListener =>
    getRequestListener(
      (request, { incoming }) => {
        const { identity, from } = who(incoming as IncomingMessage)
        return rest.fetch(request, identity, from)
      },
      { overrideGlobalObjects: false },
    )
  return {
    token: listener((req) => ({ from: addressOf(req) })),
    // A socket has no address.
    server: listener((req) => ({ identity: { kind: 'server', account: accountOf(req) } })),
  }
}
