/**
 * The REST API as Node's HTTP server calls it. Loaded when somebody asks it first: with its schemas it weighs more
 * than the rest of the server, and a server that comes back to hundreds of clients has better things to do.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { createRest } from '../../rest/rest.ts'
import type { Identity, RestOptions } from '../../rest/rest.ts'

export type RestListener = (req: IncomingMessage, res: ServerResponse) => Promise<void>

/**
 * Listeners for callers who bring a token, and for those whom the socket vouches for.
 *
 * @param addressOf The caller's address, for the log
 */
export function createRestListeners(
  options: RestOptions,
  addressOf: (req: IncomingMessage) => string,
): Record<'token' | 'server', RestListener> {
  const rest = createRest(options)
  const listener = (identity: Identity | undefined): RestListener =>
    getRequestListener(
      (request, { incoming }) =>
        // A socket has no address.
        rest.fetch(request, identity, identity === undefined ? addressOf(incoming as IncomingMessage) : undefined),
      { overrideGlobalObjects: false },
    )
  return { token: listener(undefined), server: listener({ kind: 'server' }) }
}
