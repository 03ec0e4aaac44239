/** The tests' own client agrees with the reference on peers: golden map streams, message by message. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Wall } from '../../src/base/clock.ts'
import { golden } from '../support/golden.ts'
import type { GoldenCase } from '../support/golden.ts'
import { peersAfter } from '../support/peers.ts'
import type { MapMessage, MapNode } from '../support/world.ts'

interface StreamCase extends GoldenCase {
  readonly steps: readonly {
    readonly message: MapMessage | null
    readonly expect: 'accept' | 'reject'
    readonly after?: { readonly peers: readonly Record<string, unknown>[] | null }
  }[]
}

/** "Now" of the recording. */
const NOW = Date.UTC(2026, 4, 6, 7, 8, 9) as Wall

/** What this client reads otherwise, and why that hides nothing: this server's messages are never like that. */
const OTHERWISE: { readonly [name: string]: string } = {
  'member names in other case': 'the server writes names as they are',
  'peer changed, Online left out': 'the server says Online of every node',
  'change of a disco key by a newer whole node that is offline': 'a node has no new disco key while it is offline',
  'unsigned peer loses routes': 'there are no unsigned peers without a tailnet lock',
  'relay in the old form': 'the server writes HomeDERP',
}

/** Allowed addresses that are not said are a node's own. */
function filledIn(peer: MapNode): Record<string, unknown> {
  return { ...peer, AllowedIPs: peer.AllowedIPs ?? peer.Addresses }
}

/** Members that clients compute for themselves, and those that say nothing, are left out. */
function said(peer: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const own = Object.entries(peer).filter(([name, value]) => {
    const empty =
      typeof value === 'object' && value !== null ? Object.keys(value).length === 0 : !value && value !== false
    return !name.startsWith('Computed') && !empty
  })
  return Object.fromEntries(own)
}

/** Number of the first message after which this client and the reference differ; `undefined`: they agree. */
function firstDifference(c: StreamCase): number | undefined {
  const messages: MapMessage[] = []
  for (const [i, { message, expect, after }] of c.steps.entries()) {
    // Clients end the stream at such a message. Whether the server may say it is for its own tests.
    if (expect === 'reject') return undefined
    messages.push(message ?? {})
    const got = [...peersAfter(messages, NOW).values()]
      .sort((a, b) => a.ID - b.ID)
      .map(filledIn)
      .map(said)
    try {
      assert.deepEqual(got, (after?.peers ?? []).map(said))
    } catch (error) {
      if (OTHERWISE[c.name] === undefined) throw error
      return i
    }
  }
  return undefined
}

const streams = golden<StreamCase>('netmap-delta.json.gz', 'stream')
for (const c of streams)
  test(`golden: ${c.name}`, () => {
    const difference = firstDifference(c)
    assert.equal(difference !== undefined, OTHERWISE[c.name] !== undefined, 'one that is said to differ agrees')
  })

test('every difference that is named is a golden stream', () => {
  const names = new Set(streams.map((c) => c.name))
  for (const name of Object.keys(OTHERWISE)) assert.ok(names.has(name), name)
})
