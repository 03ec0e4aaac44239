/** The firewall as a program for nft. That the kernel takes it, and what it does there, is test/lab/host.test.ts. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { forwardingProblem } from './checks.ts'
import { firewall, NO_FIREWALL } from './firewall.ts'
import type { FirewallWishes } from './firewall.ts'
import { passProgram, tableProgram } from './nft-program.ts'

const WISHES: FirewallWishes = {
  device: 'sett0',
  families: [4, 6],
  addresses: ['100.64.0.1/32', 'fd7a:115c:a1e0::1/128'],
  mode: 'on',
  udpPort: 41641,
  masquerade: true,
  stateful: true,
  clampMss: true,
  allowsForeignCgnat: false,
}
const program = (wishes: Partial<FirewallWishes>, family: 4 | 6 = 4): string =>
  tableProgram('sett0', family, firewall({ ...WISHES, ...wishes }))

test('one table for each family, in the place of whatever there was', () => {
  for (const [family, name] of [
    [4, 'ip'],
    [6, 'ip6'],
  ] as const) {
    const text = program({}, family)
    assert.ok(
      text.startsWith(`add table ${name} sett-sett0\ndelete table ${name} sett-sett0\ntable ${name} sett-sett0 {`),
    )
    for (const chain of ['ts-input', 'ts-forward', 'ts-postrouting', 'PREROUTING', 'OUTPUT', 'FORWARD'])
      assert.ok(text.includes(`  chain ${chain} {\n`), `${name} ${chain}`)
    assert.equal(text.match(/ hook /g)?.length, 6, 'everything is hung in')
    assert.ok(text.includes(family === 4 ? 'ip saddr 100.64.0.1 accept' : 'ip6 saddr fd7a:115c:a1e0::1 accept'))
    assert.equal(text.includes('100.64.0.0/10 drop'), family === 4)
  }
})

test('what is wished for is there, and nothing else', () => {
  const rows: readonly [Partial<FirewallWishes>, RegExp][] = [
    [{ masquerade: false }, /masquerade/],
    [{ stateful: false }, /established \| related/],
    [{ clampMss: false }, /maxseg/],
    [{ mode: 'nodivert' }, / hook |jump/],
    [{ mode: 'off' }, /chain/],
    [{ allowsForeignCgnat: true }, /!= "sett0" ip saddr 100\.64\.0\.0\/10 drop/],
  ]
  for (const [wishes, part] of rows) {
    assert.match(program({}), part)
    assert.doesNotMatch(program(wishes), part)
  }
  const { udpPort: _, ...portless } = WISHES
  assert.doesNotMatch(tableProgram('sett0', 4, firewall(portless)), /udp/)
  assert.doesNotMatch(tableProgram('sett0', 4, NO_FIREWALL), /\{/)
  assert.match(tableProgram('a%b', 4, NO_FIREWALL), /^add table ip sett-a_b\n/)
})

test('marks are set and kept bit by bit: those of others stay', () => {
  const text = program({})
  assert.match(text, /iifname "sett0" meta mark set meta mark & 0xff00ffff \| 0x40000/)
  for (const mark of ['0x40000', '0x80000']) {
    assert.ok(text.includes(`meta mark & 0xff0000 == ${mark} ct mark set ct mark & 0xff00ffff | ${mark}`))
    assert.ok(text.includes(`ct mark & 0xff0000 == ${mark} meta mark set meta mark & 0xff00ffff | ${mark}`))
  }
})

test('what is put in front of another firewall’s chain', () => {
  const at = { family: 'inet', table: 'fw' } as const
  const pass = (match: string, chain: string): string =>
    `insert rule inet fw ${chain} ${match} accept comment "sett-sett0"\n`
  assert.equal(
    passProgram('sett0', 7, { ...at, name: 'in', hook: 'input' }),
    pass('udp dport 7', 'in') + pass('iifname "sett0"', 'in'),
  )
  assert.equal(
    passProgram('sett0', undefined, { ...at, name: 'through', hook: 'forward' }),
    pass('oifname "sett0"', 'through') + pass('iifname "sett0"', 'through'),
  )
})

test('who advertises routes is told what the kernel does not forward', () => {
  const rows = [
    [['10.0.0.0/8'], true, false, undefined],
    [['10.0.0.0/8'], false, true, /sysctl -w net\.ipv4\.ip_forward=1$/],
    [['fd00::/64'], true, false, /sysctl -w net\.ipv6\.conf\.all\.forwarding=1$/],
    [['0.0.0.0/0', '::/0'], false, false, /ip_forward=1; sysctl -w net\.ipv6/],
    [[], false, false, undefined],
  ] as const
  for (const [routes, ipv4, ipv6, want] of rows) {
    const said = forwardingProblem(routes, { ipv4, ipv6 })
    if (want === undefined) assert.equal(said, undefined)
    else assert.match(said ?? '', want)
  }
})
