/** Addresses for nodes that stand in: like those of any node, but neither in use nor named by the policy. */

import { CGNAT, ULA } from '../../base/address-plan.ts'
import { formatIp, isSingleIp, parseIp, rangeOf } from '../../base/ip.ts'
import type { Ip } from '../../base/ip.ts'
import type { Policy, Selector } from '../policy.ts'
import type { PolicyTailnet } from '../tailnet.ts'

export class FreeAddresses {
  readonly #policy: Policy
  readonly #tailnet: PolicyTailnet
  #taken: ReadonlySet<string> | undefined
  // From the end, which is given to real nodes last.
  #next4 = rangeOf(CGNAT)[1] - 1n
  #next6 = rangeOf(ULA)[1] - 1n

  constructor(policy: Policy, tailnet: PolicyTailnet) {
    this.#policy = policy
    this.#tailnet = tailnet
  }

  next(): { readonly ipv4: Ip; readonly ipv6: Ip } {
    const free = (ip: Ip): boolean => !(this.#taken ??= taken(this.#policy, this.#tailnet)).has(formatIp(ip))
    let ipv4: Ip
    let ipv6: Ip
    do ipv4 = { family: 4, value: this.#next4-- }
    while (!free(ipv4))
    do ipv6 = { family: 6, value: this.#next6-- }
    while (!free(ipv6))
    return { ipv4, ipv6 }
  }
}

/** Every single address that somebody has, or that a rule, a host or a test names. */
function taken(policy: Policy, tailnet: PolicyTailnet): Set<string> {
  const texts = new Set<string>()
  const { nodes, services = [], sharees = [] } = tailnet
  for (const { ipv4, ipv6 } of [...nodes, ...services, ...sharees.flatMap(({ devices }) => devices)])
    texts.add(formatIp(ipv4)).add(formatIp(ipv6))
  const note = (selector: Selector): void => {
    if (selector.kind === 'prefix' && isSingleIp(selector.prefix)) texts.add(formatIp(selector.prefix.ip))
  }
  for (const { sources, destinations } of policy.rules) {
    sources.forEach(note)
    for (const { target } of destinations) note(target)
  }
  for (const { prefix } of policy.hosts.values()) if (isSingleIp(prefix)) texts.add(formatIp(prefix.ip))
  for (const text of namedBy(policy)) {
    const ip = parseIp(text)
    if (ip !== undefined) texts.add(formatIp(ip))
  }
  return texts
}

/** All that tests name, with and without what stands behind the last colon. */
function* namedBy({ tests, sshTests }: Policy): Generator<string> {
  for (const { src, accept, deny } of tests) {
    yield src.trim()
    for (const { text } of [...accept, ...deny])
      yield text
        .trim()
        .slice(0, Math.max(0, text.trim().lastIndexOf(':')))
        .replace(/^\[(.*)\]$/, '$1')
  }
  for (const { src, dst } of sshTests) {
    yield src.trim()
    for (const { text } of dst) yield text.trim()
  }
}
