/** The address plan of a tailnet against the golden vectors. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { golden } from '../../test/support/golden.ts'
import type { GoldenCase } from '../../test/support/golden.ts'
import {
  CGNAT,
  CHROMEOS,
  EPHEMERAL6,
  FOUR_TO_SIX,
  fourToSix,
  hasExitRoutes,
  isExitRoute,
  isNodePrefix,
  isTailscaleAddress,
  isTailscaleIpv4,
  isViaPrefix,
  mapVia,
  RESERVED4,
  SERVICE4,
  SERVICE6,
  sixToFour,
  ULA,
  unmapVia,
  VIA,
  withoutExitRoutes,
} from './address-plan.ts'
import { formatIp, formatPrefix, parseIp, prefix, prefixContains } from './ip.ts'
import type { Ip } from './ip.ts'

test('golden: the ranges', () => {
  const { constants } = JSON.parse(readFileSync(new URL('../../test/vectors/addr.json', import.meta.url), 'utf8'))
  assert.deepEqual(
    {
      cgnat: formatPrefix(CGNAT),
      chromeos: formatPrefix(CHROMEOS),
      ula: formatPrefix(ULA),
      via: formatPrefix(VIA),
      four_to_six: formatPrefix(FOUR_TO_SIX),
      ephemeral6: formatPrefix(EPHEMERAL6),
      service4: formatIp(SERVICE4.ip),
      service6: formatIp(SERVICE6.ip),
      four_to_six_placeholder: formatIp(FOUR_TO_SIX.ip),
    },
    constants,
  )
})

interface AddressCase extends GoldenCase {
  readonly address: string
  readonly tailscale: boolean
  readonly tailscale4: boolean
  readonly via: boolean
  readonly unmap_via: string
  readonly six_to_four_ok: boolean
  readonly six_to_four?: string
  /** Of IPv4 addresses only. */
  readonly four_to_six?: string
}
for (const c of golden<AddressCase>('addr.json', 'address')) {
  test(`golden: ${c.name}`, () => {
    const ip = parseIp(c.address) as Ip
    const four = sixToFour(ip)
    const six = fourToSix(ip)
    assert.deepEqual(
      [
        isTailscaleAddress(ip),
        isTailscaleIpv4(ip),
        prefixContains(VIA, ip),
        formatIp(unmapVia(ip)),
        four && formatIp(four),
      ],
      [c.tailscale, c.tailscale4, c.via, c.unmap_via, c.six_to_four],
    )
    assert.equal(four !== undefined, c.six_to_four_ok)
    assert.equal(six === undefined ? 'invalid IP' : formatIp(six), c.four_to_six ?? 'invalid IP')
  })
}

interface MapViaCase extends GoldenCase {
  readonly site: number
  readonly prefix: string
  readonly via?: string
  readonly is_via_prefix?: boolean
  readonly unmapped?: string
}
for (const c of golden<MapViaCase>('addr.json', 'map-via')) {
  test(`golden: ${c.name}`, () => {
    const via = mapVia(c.site, prefix(c.prefix))
    assert.equal(via === undefined ? 'reject' : 'accept', c.expect)
    assert.deepEqual(
      via && [formatPrefix(via), isViaPrefix(via), formatIp(unmapVia(via.ip))],
      via && [c.via, c.is_via_prefix, c.unmapped],
    )
  })
}

interface IsViaCase extends GoldenCase {
  readonly prefix: string
  readonly yes: boolean
}
for (const c of golden<IsViaCase>('addr.json', 'is-via-prefix')) {
  test(`golden: ${c.name}`, () => assert.equal(isViaPrefix(prefix(c.prefix)), c.yes))
}

interface ExitCase extends GoldenCase {
  readonly prefixes: readonly string[]
  readonly both: boolean
  readonly either: boolean
  readonly subnet: boolean
  readonly without_both: readonly string[]
  readonly without_any: readonly string[]
}
for (const c of golden<ExitCase>('addr.json', 'exit-routes')) {
  test(`golden: ${c.name}`, () => {
    const routes = c.prefixes.map(prefix)
    const subnets = routes.filter((route) => !isExitRoute(route))
    assert.deepEqual(
      {
        both: hasExitRoutes(routes),
        either: routes.some(isExitRoute),
        subnet: subnets.length > 0,
        without_both: withoutExitRoutes(routes).map(formatPrefix),
        without_any: subnets.map(formatPrefix),
      },
      { both: c.both, either: c.either, subnet: c.subnet, without_both: c.without_both, without_any: c.without_any },
    )
  })
}

const nodePrefixes = [
  { prefix: '100.64.0.1/32', is: true },
  { prefix: 'fd7a:115c:a1e0::1/128', is: true },
  { prefix: '100.64.0.0/31', is: false },
  { prefix: '100.115.92.1/32', is: false },
  { prefix: '10.0.0.1/32', is: false },
]
for (const c of nodePrefixes) {
  test(`${c.prefix} is ${c.is ? 'a' : 'no'} node’s address`, () => assert.equal(isNodePrefix(prefix(c.prefix)), c.is))
}

test('what is reserved lies within the range, and holds the service address', () => {
  assert.ok(RESERVED4.every((reserved) => prefixContains(CGNAT, reserved.ip)))
  assert.ok(RESERVED4.some((reserved) => prefixContains(reserved, SERVICE4.ip)))
})
