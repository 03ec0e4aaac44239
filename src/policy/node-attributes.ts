/** What `nodeAttrs` and the network options give a node: capabilities with their values. (policy.md §11, §13) */

import { BySelector } from './by-selector.ts'
import type { NodeAttrs, Policy } from './policy.ts'
import type { Selected, Selection } from './selection.ts'
import type { PolicyNode } from './tailnet.ts'

/** Name to values; `null`: the name says it all. */
export type CapMap = ReadonlyMap<string, readonly unknown[] | null>

/** The one attribute that peers are told of. */
export const SUBDOMAINS = 'dns-subdomain-resolve'
const FUNNEL_PORTS = 'https://tailscale.com/cap/funnel-ports?ports=443,8443,10000'
const NO_HTTPS = 'https://tailscale.com/cap/warn-funnel-no-https'

export class NodeAttributes {
  readonly #policy: Policy
  readonly #selection: Selection
  readonly #entries = new BySelector<{ readonly entry: NodeAttrs; readonly targets: readonly Selected[] }>()

  constructor(policy: Policy, selection: Selection) {
    this.#policy = policy
    this.#selection = selection
    for (const entry of policy.nodeAttrs) {
      const targets = entry.targets.map((target) => selection.watch(target, 'destination'))
      this.#entries.add({ entry, targets }, targets)
    }
  }

  /** What the policy adds to the node's own capabilities. */
  of(node: PolicyNode, httpsEnabled: boolean): CapMap {
    const caps = new Map<string, readonly unknown[] | null>()
    for (const { attrs, app } of this.#applying(node)) {
      for (const attr of attrs) {
        caps.set(attr, null)
        if (attr !== 'funnel') continue
        caps.set(FUNNEL_PORTS, null)
        if (!httpsEnabled) caps.set(NO_HTTPS, null)
      }
      for (const [name, values] of app) caps.set(name, [...(caps.get(name) ?? []), ...values])
    }
    const services = this.#selection.services.mapping(node)
    if (services !== undefined) caps.set('service-host', [services])
    if (this.#policy.randomizeClientPort) caps.set('randomize-client-port', null)
    if (this.#policy.oneCGNATRoute !== '') caps.set(`one-cgnat?v=${this.#policy.oneCGNATRoute === 'mac-always'}`, null)
    return caps
  }

  /** The node has no IPv4 address for itself and others, though one stays reserved for it. */
  withoutIPv4(node: PolicyNode): boolean {
    return this.#policy.disableIPv4 || this.#has(node, 'disable-ipv4')
  }

  /** All names under the node's own are its own, too: for itself and for all who see it. */
  hasSubdomains(node: PolicyNode): boolean {
    return this.#has(node, SUBDOMAINS)
  }

  #has(node: PolicyNode, attribute: string): boolean {
    return this.#applying(node).some(({ attrs }) => attrs.includes(attribute))
  }

  #applying(node: PolicyNode): NodeAttrs[] {
    return this.#entries
      .of(this.#selection.namers(node.slot))
      .filter(({ targets }) => targets.some(({ nodes }) => nodes.has(node.slot)))
      .map(({ entry }) => entry)
  }
}
