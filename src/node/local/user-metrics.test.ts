import assert from 'node:assert/strict'
import { test } from 'node:test'
import { golden } from '../../../test/support/golden.ts'
import type { GoldenCase } from '../../../test/support/golden.ts'
import { userMetricsText } from './user-metrics.ts'

interface AnswerCase extends GoldenCase {
  readonly path: string
  readonly text?: string
}

const text = userMetricsText({
  advertisedRoutes: 2,
  approvedRoutes: 1,
  warnings: 1,
  homeRelay: 7,
  received: { bytes: 716, relayedBytes: 92 },
  sent: { bytes: 948, relayedBytes: 0 },
  inboundDrops: new Map([['acl', 4]]),
  outboundDrops: new Map([
    ['no-path', 2],
    ['acl', 1],
  ]),
})

/** Name and type of each family. */
const families = (all: string): string[] =>
  [...all.matchAll(/^# TYPE (\S+ \S+)$/gm)].map(([, found]) => found as string)

test('counters stand under the names, and with the types, that an official daemon gives them', () => {
  const recorded = golden<AnswerCase>('localapi.json').find(({ path }) => path.endsWith('/usermetrics'))
  const official = new Set(families(recorded?.text ?? ''))
  assert.ok(official.size > 5)
  for (const found of families(text)) assert.ok(official.has(found), found)
})

test('values stand behind their labels', () => {
  for (const line of [
    'tailscaled_advertised_routes 2',
    'tailscaled_health_messages{type="warning"} 1',
    'tailscaled_inbound_bytes_total{path="derp"} 92',
    'tailscaled_inbound_bytes_total{path="direct"} 624',
    'tailscaled_outbound_dropped_packets_total{reason="acl"} 1',
    'tailscaled_outbound_dropped_packets_total{reason="no-path"} 2',
  ])
    assert.ok(text.includes(`\n${line}\n`), line)
})
