/** Names and addresses that nobody among those being brought over has. */

import { rangeOf } from '../../base/ip.ts'
import { CGNAT } from '../../base/address-plan.ts'
import type { Dice } from '../../base/bytes.ts'
import { MeshError } from '../../base/errors.ts'
import { ipv6For, isAssignable } from '../model/addressing.ts'

const LABEL_MAX = 63
const DRAWS = 10_000

/** The first of `label`, `label-1`, `label-2`, … that is not taken. */
export function freeLabel(label: string, taken: ReadonlySet<string>): string {
  for (let n = 0; ; n++) {
    const suffix = n === 0 ? '' : `-${n}`
    const name = label.slice(0, LABEL_MAX - suffix.length).replace(/-+$/, '') + suffix
    if (!taken.has(name)) return name
  }
}

/** An IPv4 address that is free together with the IPv6 address that goes with it. */
export function drawIpv4(dice: Dice, taken: ReadonlySet<string>): string {
  const [first] = rangeOf(CGNAT)
  for (let draw = 0; draw < DRAWS; draw++) {
    const [a = 0, b = 0, c = 0] = dice(3)
    const value = Number(first) + ((((a & 63) << 16) | (b << 8) | c) & 0x3fffff)
    const ipv4 = [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.')
    if (isAssignable(ipv4) && !taken.has(ipv4) && !taken.has(ipv6For(ipv4))) return ipv4
  }
  throw new MeshError('input/invalid', 'Cannot give a node an address: nearly all of 100.64.0.0/10 is taken')
}
