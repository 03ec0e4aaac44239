/** The REST API of a server in memory, as its own administrator asks it: whatever it says no to fails the test. */

import assert from 'node:assert/strict'
import { createRest } from '../../src/coord/rest/rest.ts'
import { nodePrimitives } from '../../src/crypto/io/node-primitives.ts'
import { SERVER_IDENTITY } from './rest-world.ts'
import { START } from './world.ts'
import type { World } from './world.ts'

export type Api = (method: string, path: string, body?: unknown) => Promise<any>

/** Asks the server that runs in the world at the moment of each request; everything due by then has happened after. */
export function apiOf(world: World): Api {
  return async (method, path, body) => {
    const failures: unknown[] = []
    const rest = createRest({
      ledger: world.coord.ledger,
      dice: nodePrimitives.random,
      primitives: nodePrimitives,
      config: { version: '0.0.0', url: 'https://sett.test', started: START, tailnetDomain: 'sett.internal' },
      live: {
        isOnline: () => true,
        ping: () => Promise.resolve({ outcome: 'not-connected' }),
        regionName: () => undefined,
      },
      onError: (error) => failures.push(error),
    })
    const request = new Request(`http://sett.test/api/v2${path}`, {
      method,
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const response = await rest.fetch(request, SERVER_IDENTITY)
    const text = await response.text()
    if (failures.length > 0) throw failures[0]
    assert.equal(response.status, 200, `${method} ${path}: ${text}`)
    await world.settle()
    return response.headers.get('content-type') === 'application/json' ? JSON.parse(text) : undefined
  }
}
