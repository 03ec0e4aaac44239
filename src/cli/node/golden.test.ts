/** Our command line prints what the official one printed, with the same exit codes (recordings in test/vectors). */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NodeCli, printed, RUNS } from '../../../test/support/node-cli.ts'
import { VERBS } from './verbs.ts'

/**
 * The one difference: our programs are called `sett` and `settd`. Names that begin alike (a domain, a metric) and the
 * product's own name, which scripts look for, stay.
 */
function asOurs(text: string): string {
  return text.replace(/(?<![\w./-])tailscale(d?)(?![\w./-])/g, 'sett$1')
}

/** Latencies of the recorded command lines, which differ from those of the recorded answers. */
const LATENCIES: Readonly<Record<string, number>> = { TSMP: 0.001, peerapi: 0.001 }

test('every recorded run of a verb that we have comes out the same', async () => {
  await using cli = await NodeCli.start()
  let compared = 0
  for (const { name, args, exit, stdout, stderr } of RUNS) {
    const [verb = ''] = args
    if (verb !== 'nosuchcommand' && !Object.hasOwn(VERBS, verb)) continue
    // After what was recorded before the login, the node has joined.
    if (name === 'status') cli.joined()
    cli.daemon.override = (method, path) => {
      // The peer's latencies were others when the answer was recorded.
      if (/whois.*100\.64\.0\.2$/.test(path)) return { status: 200, body: printed('whois --json 100.64.0.2') }
      const latency = LATENCIES[new URL(path, 'http://daemon').searchParams.get('type') ?? '']
      if (method !== 'POST' || latency === undefined) return undefined
      const api = path.includes('peerapi')
      const result = {
        NodeIP: '100.64.0.2',
        NodeName: api ? 'beta.tail-scale.ts.net.' : 'beta',
        Err: '',
        LatencySeconds: latency,
        Endpoint: '',
        DERPRegionID: 0,
        ...(api ? { PeerAPIURL: 'http://100.64.0.2:46590' } : { PeerAPIPort: 46590 }),
      }
      return { status: 200, body: result }
    }
    const ran = await cli.run(...args)
    assert.deepEqual(ran, { code: exit, out: asOurs(stdout), err: asOurs(stderr) }, name)
    compared++
  }
  assert.equal(compared, 39)
})
