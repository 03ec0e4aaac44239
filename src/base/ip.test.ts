/** Addresses, prefixes and pairs: golden texts, and Node's own parsers as oracles. */

import assert from 'node:assert/strict'
import { BlockList, isIP } from 'node:net'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { anyText } from '../../test/support/any-text.ts'
import { golden } from '../../test/support/golden.ts'
import type { GoldenCase } from '../../test/support/golden.ts'
import {
  canonicalIp,
  compareIps,
  comparePrefixes,
  formatAddressPort,
  formatIp,
  formatPrefix,
  isLinkLocal,
  isLoopback,
  isPrivate,
  maskPrefix,
  parseAddressPort,
  parseIp,
  parsePrefix,
  prefix,
  prefixContains,
  prefixCovers,
  prefixesOverlap,
  prefixOf,
  rangeOf,
  unmapIp,
  widthOf,
} from './ip.ts'
import type { Ip, Prefix } from './ip.ts'

interface TextCase extends GoldenCase {
  readonly text: string
  readonly out?: string
  readonly unmapped?: string
  readonly prefix?: string
  readonly masked?: string
  readonly bits?: number
}

for (const c of golden<TextCase>('addr.json', 'parse-address')) {
  test(`golden: ${c.name}`, () => {
    const ip = parseIp(c.text)
    assert.equal(ip === undefined ? 'reject' : 'accept', c.expect)
    assert.deepEqual([ip && formatIp(ip), ip && formatIp(unmapIp(ip))], [c.out, c.unmapped])
  })
}
for (const c of golden<TextCase>('addr.json', 'parse-prefix')) {
  test(`golden: ${c.name}`, () => {
    const p = parsePrefix(c.text)
    assert.equal(p === undefined ? 'reject' : 'accept', c.expect)
    assert.deepEqual([p && formatPrefix(p), p && formatPrefix(maskPrefix(p)), p?.bits], [c.prefix, c.masked, c.bits])
  })
}
for (const c of golden<TextCase>('addr.json', 'parse-address-port')) {
  test(`golden: ${c.name}`, () => {
    const pair = parseAddressPort(c.text)
    assert.equal(pair === undefined ? 'reject' : 'accept', c.expect)
    assert.equal(pair && formatAddressPort(pair), c.out)
  })
}

interface SortCase extends GoldenCase {
  readonly prefixes: readonly string[]
  readonly sorted: readonly string[]
}
for (const c of golden<SortCase>('addr.json', 'sort')) {
  test(`golden: ${c.name}`, () => {
    const sorted = c.prefixes.map(prefix).sort(comparePrefixes)
    assert.deepEqual(sorted.map(formatPrefix), c.sorted)
  })
}

const refused = [
  '1.2.3.4\n',
  '1.2.3.4/8',
  '1.2.3.',
  '.1.2.3.4',
  '1..2.3',
  '1.2.3.0x4',
  '00.0.0.0',
  '0177.0.0.1',
  '١.2.3.4',
  '1:2:3:4:5:6:7',
  ':1:2:3:4:5:6:7:8',
  '1:2:3:4:5:6:7:8:',
  '1:2:3:4:5:6:7:',
  '1::2:3:4:5:6:7:8',
  '::1:2:3:4:5:6:7:8',
  '1:2:3:4:5:6:7:8::',
  '1:2:3:4:5:6:7:1.2.3.4',
  '1.2.3.4::',
  '::1.2.3.4:5',
  '::1.2.3',
  '::01.2.3.4',
  '::g',
  '::%',
  '%eth0',
  '::ffff:1.2.3.4%eth0',
  '[::1]',
  ` ${'0'.repeat(100)}::`,
]
for (const text of refused) test(`no address: ${JSON.stringify(text)}`, () => assert.equal(parseIp(text), undefined))

const classes = [
  { ip: '169.254.1.1', is: 'link-local' },
  { ip: 'fe80::1', is: 'link-local' },
  { ip: 'fe80::1%eth0', is: 'link-local' },
  { ip: 'febf:ffff::', is: 'link-local' },
  { ip: 'fec0::1', is: '' },
  { ip: '::ffff:169.254.1.1', is: 'link-local' },
  { ip: '127.0.0.1', is: 'loopback' },
  { ip: '127.255.255.255', is: 'loopback' },
  { ip: '::1', is: 'loopback' },
  { ip: '::ffff:127.0.0.1', is: 'loopback' },
  { ip: '::2', is: '' },
  { ip: '10.1.2.3', is: 'private' },
  { ip: '172.31.0.1', is: 'private' },
  { ip: '172.32.0.1', is: '' },
  { ip: '192.168.0.1', is: 'private' },
  { ip: 'fd00::1', is: 'private' },
  { ip: '100.64.0.1', is: '' },
  { ip: '2001:db8::1', is: '' },
]
for (const c of classes) {
  test(`${c.ip} is ${c.is === '' ? 'nothing special' : c.is}`, () => {
    const ip = parseIp(c.ip) as Ip
    const is = [isLinkLocal(ip) && 'link-local', isLoopback(ip) && 'loopback', isPrivate(ip) && 'private']
    assert.equal(is.filter(Boolean).join(), c.is)
  })
}

const anyIp: fc.Arbitrary<Ip> = fc.oneof(
  fc.bigInt(0n, 0xffff_ffffn).map((value): Ip => ({ family: 4, value })),
  fc.bigInt(0n, (1n << 128n) - 1n).map((value): Ip => ({ family: 6, value })),
  // Addresses with runs of zeros, which is where IPv6 texts differ.
  fc
    .array(fc.constantFrom(0n, 0n, 1n, 0xffffn), { minLength: 8, maxLength: 8 })
    .map((groups): Ip => ({ family: 6, value: groups.reduce<bigint>((value, group) => (value << 16n) | group, 0n) })),
)
const anyPrefix: fc.Arbitrary<Prefix> = fc
  .tuple(anyIp, fc.nat(128))
  .map(([ip, bits]) => ({ ip, bits: bits % (widthOf(ip.family) + 1) }))

test('an address is read as it was written, and in upper case too', () => {
  fc.assert(
    fc.property(anyIp, (ip) => {
      const text = formatIp(ip)
      assert.deepEqual(parseIp(text), ip)
      assert.deepEqual(parseIp(text.toUpperCase()), ip)
      assert.equal(isIP(text), ip.family)
    }),
  )
})

test('IPv6 texts are those of the platform’s URL parser', () => {
  fc.assert(
    fc.property(anyIp, (ip) => {
      const text = formatIp(ip)
      // URLs write mapped addresses as groups.
      if (ip.family === 4 || text.startsWith('::ffff:')) return
      assert.equal(new URL(`http://[${text}]/`).hostname, `[${text}]`)
    }),
  )
})

test('what is an address is told as by Node', () => {
  const nearly = fc.stringMatching(/^[0-9a-f:.]{0,24}$/)
  fc.assert(
    fc.property(fc.oneof(nearly, fc.ipV4Extended(), fc.ipV6(), fc.string()), (text) => {
      assert.equal(parseIp(text)?.family ?? 0, isIP(text))
    }),
    { numRuns: 500 },
  )
})

test('prefixes and pairs are read as they were written', () => {
  fc.assert(
    fc.property(anyPrefix, fc.nat(0xffff), (p, port) => {
      assert.deepEqual(parsePrefix(formatPrefix(p)), p)
      assert.deepEqual(parseAddressPort(formatAddressPort({ ip: p.ip, port })), { ip: p.ip, port })
    }),
  )
})

test('a prefix holds what Node’s block list holds', () => {
  const near = fc.tuple(anyPrefix, anyIp, fc.nat(127)).map(([p, other, bit]) => {
    const flipped: Ip = {
      family: p.ip.family,
      value: BigInt.asUintN(widthOf(p.ip.family), p.ip.value ^ (1n << BigInt(bit))),
    }
    return [p, bit % 3 === 0 ? other : flipped] as const
  })
  fc.assert(
    fc.property(near, ([p, ip]) => {
      if (formatIp(ip).startsWith('::ffff:') || formatIp(p.ip).startsWith('::ffff:') || p.bits === 0) return
      const list = new BlockList()
      list.addSubnet(formatIp(p.ip), p.bits, p.ip.family === 4 ? 'ipv4' : 'ipv6')
      const listed = p.ip.family === ip.family && list.check(formatIp(ip), ip.family === 4 ? 'ipv4' : 'ipv6')
      assert.equal(prefixContains(p, ip), listed)
    }),
  )
})

test('covering, overlapping and ranges agree with one another', () => {
  fc.assert(
    fc.property(anyPrefix, anyPrefix, (a, b) => {
      const [[a0, a1], [b0, b1]] = [rangeOf(a), rangeOf(b)]
      const sameFamily = a.ip.family === b.ip.family
      assert.equal(prefixCovers(a, b), sameFamily && a0 <= b0 && b1 <= a1)
      assert.equal(prefixesOverlap(a, b), sameFamily && a0 <= b1 && b0 <= a1)
      assert.deepEqual(maskPrefix(a).ip.value, a0)
      assert.ok(prefixCovers(a, prefixOf(a.ip)))
    }),
  )
})

test('the orders are orders', () => {
  const sign = (n: number) => Math.sign(n) + 0
  fc.assert(
    fc.property(anyPrefix, anyPrefix, (a, b) => {
      for (const [ab, ba] of [
        [compareIps(a.ip, b.ip), compareIps(b.ip, a.ip)],
        [comparePrefixes(a, b), comparePrefixes(b, a)],
      ] as const) {
        assert.equal(sign(ab), sign(-ba))
      }
      assert.equal(comparePrefixes(a, b) === 0, formatPrefix(a) === formatPrefix(b))
    }),
  )
})

test('a zone is part of an address, and belongs to no prefix', () => {
  const [zoned, plain] = [parseIp('fe80::1%eth0') as Ip, parseIp('fe80::1') as Ip]
  assert.notEqual(compareIps(zoned, plain), 0)
  assert.equal(prefixContains(prefix('fe80::/10'), zoned), false)
  assert.ok(prefixContains(prefix('fe80::/10'), plain))
  assert.equal(canonicalIp('FE80::0:1%eth0'), 'fe80::1%eth0')
})

test('a stranger’s text never throws', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), anyText(), fc.stringMatching(/^[\][0-9:./%-]*$/)), (text) => {
      parseIp(text)
      parsePrefix(text)
      parseAddressPort(text)
    }),
  )
})
