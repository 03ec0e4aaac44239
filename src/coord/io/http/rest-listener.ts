/**
 * The REST API as Node's HTTP server calls it. Loaded when somebody asks it first: with its schemas it weighs more
 * than the rest of the server, and a server that comes back to hundreds of clients has better things to do.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { createRest } from '../../rest/rest.ts'
import type { Identity, RestOptions } from '../../rest/rest.ts'

export type RestListener = (req: IncomingMessage, res: ServerResponse) => Promise<void>

/** Listeners for callers who bring a token, and for those whom the socket vouches for. */
export function createRestListeners(options: RestOptions): Record<'token' | 'server', RestListener> {
  const rest = createRest(options)
  const listener = (identity: Identity | undefined): RestListener =>
    getRequestListener((request) => rest.fetch(request, identity), { overrideGlobalObjects: false })
  return { token: listener(undefined), server: listener({ kind: 'server' }) }
}
