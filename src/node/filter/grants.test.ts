import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listOf } from '../../base/go-json.ts'
import { parseIp } from '../../base/ip.ts'
import type { Ip } from '../../base/ip.ts'
import { golden } from '../../../test/support/golden.ts'
import type { GoldenCase } from '../../../test/support/golden.ts'
import { readFilterRule } from '../../wire/filter-rule.ts'
import { CapabilityGrants } from './grants.ts'

interface Case extends GoldenCase {
  readonly rules: unknown
  readonly lookups: readonly { src: string; dst: string; caps: Readonly<Record<string, unknown>> | null }[]
}

const readRules = listOf(readFilterRule)
const between = (rules: unknown, src: string, dst: string): object =>
  Object.fromEntries(new CapabilityGrants(readRules(rules, 'rules')).between(parseIp(src) as Ip, parseIp(dst) as Ip))

test('recorded look-ups of capability grants', () => {
  for (const c of golden<Case>('filter.json.gz', 'caps'))
    for (const { src, dst, caps } of c.lookups)
      assert.deepEqual(between(c.rules, src, dst), caps ?? {}, `${c.name}: ${src} to ${dst}`)
})

test('grants add up, and only where the filter counts', () => {
  const grant = (CapMap: object) => ({ SrcIPs: ['100.64.0.2'], CapGrant: [{ Dsts: ['100.64.0.1/32'], CapMap }] })
  const rows = [
    { name: 'null, then values', rules: [grant({ c: null }), grant({ c: [1] })], want: { c: [1] } },
    { name: 'values, then null', rules: [grant({ c: [1] }), grant({ c: null })], want: { c: [1] } },
    { name: 'null twice', rules: [grant({ c: null }), grant({ c: [] })], want: { c: null } },
    { name: 'no name', rules: [grant({ '': [1] })], want: {} },
    { name: 'an obsolete rule beside it', rules: [grant({ c: [1] }), { SrcBits: [8] }], want: {} },
    {
      name: 'a bad source beside it',
      rules: [{ ...grant({ c: [1] }), SrcIPs: ['?', '100.64.0.2'] }],
      want: { c: [1] },
    },
  ]
  for (const { name, rules, want } of rows) assert.deepEqual(between(rules, '100.64.0.2', '100.64.0.1'), want, name)
})
