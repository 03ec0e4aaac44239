/** SCIM as Node's HTTP server calls it. Loaded when the first directory asks. */

import type { IncomingMessage } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { Scim } from '../../scim/scim.ts'
import type { ScimOptions } from '../../scim/scim.ts'
import type { RestListener } from './rest-listener.ts'

/** @param addressOf The caller's address, for the log */
export function createScimListener(options: ScimOptions, addressOf: (req: IncomingMessage) => string): RestListener {
  const scim = new Scim(options)
  return getRequestListener((request, { incoming }) => scim.fetch(request, addressOf(incoming as IncomingMessage)), {
    overrideGlobalObjects: false,
  })
}
