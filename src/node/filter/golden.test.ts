/** The recorded verdicts of the reference implementation: every packet of every rule set. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseIp, parsePrefix } from '../../base/ip.ts'
import type { Ip, Prefix } from '../../base/ip.ts'
import { bytes, golden } from '../../../test/support/golden.ts'
import type { GoldenCase } from '../../../test/support/golden.ts'
import { PacketHeader } from '../../wire/ip-packet.ts'
import { listOf } from '../../base/go-json.ts'
import { readFilterRule } from '../../wire/filter-rule.ts'
import { bindCapabilities } from './capabilities.ts'
import { compile } from './compile.ts'
import { evaluateInbound, evaluateOutbound } from './evaluate.ts'
import { FlowTable } from './flows.ts'
import { isAccepted, nameOfVerdict } from './verdict.ts'
import type { VerdictName } from './verdict.ts'

interface Case extends GoldenCase {
  readonly rules: unknown
  readonly local_nets: readonly string[]
  readonly node_caps?: Readonly<Record<string, readonly string[]>>
  readonly shields_up: boolean
  readonly rules_usable: number
  readonly rules_error: boolean
  readonly packets: readonly {
    readonly packet_name: string
    readonly direction: 'in' | 'out'
    readonly packet: string
    readonly verdict: 'accept' | 'drop'
    readonly why: string
  }[]
}

/** Our names of the reference's reasons. */
const WHY: Readonly<Record<string, VerdictName>> = {
  keepalive: 'keepalive',
  'too short': 'tooShort',
  'unknown protocol': 'unreadable',
  multicast: 'multicast',
  'link-local destination': 'linkLocal',
  fragment: 'fragment',
  'destination not allowed': 'notLocal',
  'no rules matched': 'noRule',
  'icmp response ok': 'icmpResponse',
  'icmp ok': 'icmp',
  'tcp non-syn': 'tcpContinued',
  'tcp ok': 'tcp',
  cached: 'flow',
  ok: 'datagram',
  'tsmp ok': 'tsmp',
  'other-portless ok': 'otherProtocol',
  'ok out': 'outbound',
}

test('every recorded packet gets the verdict, and the reason, of the reference', () => {
  let packets = 0
  for (const c of golden<Case>('filter.json.gz', 'packets')) {
    const rules = c.rules === null ? [] : listOf(readFilterRule)(c.rules, 'rules')
    const compiled = compile(
      rules,
      c.local_nets.map((net) => parsePrefix(net) as Prefix),
    )
    assert.equal(compiled.rules, c.rules_usable, c.name)
    assert.equal(compiled.isUnusable || compiled.refused.length > 0, c.rules_error, c.name)
    const shut = c.shields_up
      ? compile(
          [],
          c.local_nets.map((net) => parsePrefix(net) as Prefix),
        )
      : compiled
    const peers = Object.entries(c.node_caps ?? {}).map(([address, capabilities]) => ({
      addresses: [parseIp(address) as Ip],
      capabilities,
    }))
    const program = bindCapabilities(shut.program, peers)
    const flows = new FlowTable()
    const h = new PacketHeader()
    for (const p of c.packets) {
      const packet = bytes(p.packet)
      h.read(packet)
      const verdict = p.direction === 'in' ? evaluateInbound(program, flows, h) : evaluateOutbound(program, flows, h)
      const where = `${c.name}: ${p.packet_name}: ${p.packet}`
      assert.equal(isAccepted(verdict) ? 'accept' : 'drop', p.verdict, where)
      const want = p.why.startsWith('unknown-protocol-') ? 'noRuleForProtocol' : WHY[p.why]
      assert.equal(nameOfVerdict(verdict), want, where)
      packets++
    }
  }
  assert.ok(packets > 5000)
})
