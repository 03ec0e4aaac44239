/** Golden map streams: after every message the network map holds what the reference holds. */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { utf8 } from '../../base/bytes.ts'
import { formatTime } from '../../base/clock.ts'
import type { Wall } from '../../base/clock.ts'
import { MeshError } from '../../base/errors.ts'
import { hasRemovedMembers } from '../../wire/filter-rule.ts'
import type { MapNode } from '../../wire/map-node.ts'
import { readMapResponse } from '../../wire/map-response.ts'
import type { MapResponse } from '../../wire/map-response.ts'
import { displayMessages, displayName, magicDnsSuffix } from './names.ts'
import { NetworkMap } from './netmap.ts'

interface StreamCase {
  readonly name: string
  readonly steps: readonly {
    readonly message: unknown
    readonly expect: 'accept' | 'reject'
    readonly keep_alive?: boolean
    readonly debug?: { readonly SleepSeconds?: number; readonly DisableLogTail?: boolean }
    readonly after?: Readonly<Record<string, unknown>>
  }[]
}

/** "Now" of the recording. */
const NOW = Date.UTC(2026, 4, 6, 7, 8, 9) as Wall
const ZERO_HEAD = 'A'.repeat(52)
const TIMES = new Set(['KeyExpiry', 'Created', 'LastSeen', 'ruleExpires'])

/** Numbers stay as they were written: `2.0` is no integer to the reference. */
function casesAsWritten(): readonly StreamCase[] {
  const text = gunzipSync(
    readFileSync(new URL('../../../test/vectors/netmap-delta.json.gz', import.meta.url)),
  ).toString()
  const raw = JSON as unknown as { rawJSON(text: string): unknown }
  const keep = (_: string, value: unknown, context?: { source?: string }) =>
    typeof value === 'number' && String(value) !== context?.source ? raw.rawJSON(context?.source ?? '') : value
  return (JSON.parse(text, keep) as { cases: StreamCase[] }).cases
}

/** As JSON would write it, without members that say nothing: the recording leaves some of them out, and some not. */
function said(value: unknown, name = ''): unknown {
  if (value instanceof Uint8Array) return value.length === 0 ? undefined : Buffer.from(value).toString('base64')
  if (TIMES.has(name) && typeof value === 'number') return formatTime(value as Wall)
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.map((each) => said(each) ?? null)
  if (value instanceof Map) return said(Object.fromEntries(value), name)
  if (typeof value !== 'object' || value === null) return value === '' || value === null ? undefined : value
  const members: Record<string, unknown> = {}
  for (const [member, each] of Object.entries(value as object)) {
    // A capability and a route are said by being there.
    const written = said(each, member) ?? (name === 'CapMap' || name === 'Routes' ? [] : undefined)
    if (written !== undefined && (written !== false || member === 'Online')) members[member] = written
  }
  return Object.keys(members).length === 0 ? undefined : members
}

/** The parts of the recording, each from the network map. */
function shown(map: NetworkMap): Record<string, unknown> {
  const { self, domain, relays, dns, filter, ssh, profiles, collectServices, auditLogId, lock } = map.fields
  const suffix = magicDnsSuffix(self)
  const peers = [...map.peers.values()].sort((a, b) => a.ID - b.ID)
  const withNames = (node: MapNode) => {
    const name = displayName(node, suffix)
    return said({ ...node, ComputedName: name, ComputedNameWithHost: name })
  }
  // The recording shows the profiles that somebody in the map refers to.
  const users = new Set([self, ...peers].flatMap((node) => [node.User, node.Sharer ?? 0]))
  const rules = filter ?? []
  return {
    self: withNames(self),
    peers: peers.map(withNames),
    peer_display_names: said(Object.fromEntries(peers.map((peer) => [`nodeid:${peer.ID}`, displayName(peer, suffix)]))),
    domain,
    dns: said(dns),
    derp_map: said(relays && { HomeParams: { RegionScore: relays.scores }, Regions: relays.regions }),
    filter_rules: said(rules),
    filter_rule_count: rules.length,
    filter_usable_rule_count: rules.some(hasRemovedMembers) ? 0 : rules.length,
    ssh_policy: said(ssh),
    user_profiles: said(new Map([...profiles].filter(([id]) => users.has(id)))),
    display_messages: said(displayMessages(map.fields, (bytes) => createHash('sha256').update(bytes).digest())),
    collect_services: collectServices,
    tka_enabled: lock !== undefined,
    tka_head: lock?.head ?? ZERO_HEAD,
    audit_log_id: auditLogId,
  }
}

function expected(after: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const flat = ['domain', 'audit_log_id', 'tka_head', 'tka_enabled', 'collect_services', 'filter_rule_count']
  flat.push('filter_usable_rule_count')
  const written: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(after)) written[name] = flat.includes(name) ? value : said(value)
  written['peers'] = ((after['peers'] ?? []) as readonly Record<string, unknown>[]).map((peer) => said(peer))
  written['self'] = said(merged(after['self'] as Record<string, unknown>))
  return written
}

/** The map keeps the old list of capabilities with the others. */
function merged({ Capabilities: _, ...node }: Record<string, unknown>): Record<string, unknown> {
  return node
}

test('golden: every map stream, message by message', () => {
  for (const { name, steps } of casesAsWritten()) {
    let map: NetworkMap | undefined
    for (const [i, step] of steps.entries()) {
      const where = `${name}, message ${i + 1}`
      const bytes = utf8(JSON.stringify(step.message))
      if (step.expect === 'reject') {
        assert.throws(
          () => readMapResponse(bytes),
          (e) => e instanceof MeshError && e.code === 'json/malformed',
          where,
        )
        break
      }
      const message = readMapResponse(bytes)
      assert.equal(message.KeepAlive, step.keep_alive ?? false, where)
      if (step.debug?.SleepSeconds !== undefined) assert.equal(message.Debug?.SleepSeconds, step.debug.SleepSeconds)
      if (step.debug?.DisableLogTail !== undefined) assert.equal(message.Debug?.DisableLogTail, true)
      if (map === undefined) map = new NetworkMap(message as MapResponse & { Node: MapNode }, NOW)
      else map.apply(message, NOW)
      assert.deepEqual(shown(map), expected(step.after ?? {}), where)
    }
  }
})
