/**
 * Flows from or to what is no node of the tailnet's own: addresses of Services, and devices to whose owners nodes are
 * shared. Where they arrive, and what stands in the way whatever the rules say. (policy.md §15.10, §15.11)
 */

import { INTERNET } from '../address-set.ts'
import type { Engine } from '../engine.ts'
import type { PortRange } from '../policy.ts'
import type { PolicyNode, PolicyService } from '../tailnet.ts'
import { trafficText } from '../traffic-text.ts'
import type { Flow } from '../verdict.ts'
import type { Obstacle } from './explanation.ts'
import type { Sender } from './naming.ts'
import { carries } from './routes.ts'
import type { Carrier } from './routes.ts'

export interface BeyondFlow {
  readonly sender: Sender
  /** Absent: it arrives nowhere. */
  readonly at?: PolicyNode
  /** Where it leaves the tailnet again. */
  readonly carrier?: Carrier
  readonly service?: PolicyService
  /** Empty: only rules decide. */
  readonly obstacles: readonly Obstacle[]
}

/** @param passes do rules let it in there? Of several places one is taken where they do. Absent: an ordinary flow */
export function beyondFlow(
  engine: Engine,
  sender: Sender,
  flow: Flow,
  passes: (node: PolicyNode) => boolean,
): BeyondFlow | undefined {
  const { services, sharees } = engine
  const [from, to] = [services.at(flow.from), sharees.at(flow.to)]
  if (from !== undefined) return { sender, obstacles: [{ kind: 'from service', service: from.name }] }
  if (to !== undefined) return { sender, obstacles: [{ kind: 'one way', login: to.user.login }] }
  const device = sharees.at(flow.from)
  if (device !== undefined) return fromSharee(engine, device, flow, passes)
  const service = services.at(flow.to)
  return service === undefined ? undefined : toService(engine, sender, service, flow, passes)
}

function toService(
  { services, selection }: Engine,
  sender: Sender,
  service: PolicyService,
  flow: Flow,
  passes: (node: PolicyNode) => boolean,
): BeyondFlow {
  const { name } = service
  const { own } = sender
  if (own !== undefined && services.isHost(own, name))
    return { sender, service, obstacles: [{ kind: 'own service', service: name }] }
  const hosts = [...selection.all()].filter((node) => services.isHost(node, name)).sort(byPrimacy)
  const at = hosts.find(passes) ?? hosts[0]
  if (at === undefined) return { sender, service, obstacles: [{ kind: 'no host', service: name }] }
  const obstacles: Obstacle[] = []
  const { ports } = service
  // What is written as an address leads there by any port.
  if (ports !== 'do-not-validate' && !passes(at) && !takes(ports, flow))
    obstacles.push({ kind: 'not offered', service: name, ports: trafficText([{ protocol: TCP, ports }]) })
  return { sender, at, service, obstacles }
}

const TCP = 6

/** Would a rule that opens just this open anything? */
function takes(ports: readonly PortRange[], { protocol, port }: Flow): boolean {
  return protocol === TCP && ports.some(({ first, last }) => first <= port && port <= last)
}

function fromSharee(
  { sharees, selection }: Engine,
  device: PolicyNode,
  { from, to }: Flow,
  passes: (node: PolicyNode) => boolean,
): BeyondFlow {
  const { login } = device.user
  const sender = { ip: from, own: device, routers: [], shared: { login } }
  const owner = selection.at(to)
  if (owner !== undefined) {
    const isShared = sharees.share(device, owner) !== undefined
    return { sender, at: owner, obstacles: isShared ? [] : [{ kind: 'not shared', node: owner.id, login }] }
  }
  const exits: Carrier[] = []
  for (const node of INTERNET.contains(to) ? selection.all() : [])
    for (const route of node.routes)
      if (route.bits === 0 && carries(route, to) && sharees.share(device, node)?.exitNode === true)
        exits.push({ node, route, told: true })
  const carrier = exits.sort((a, b) => byPrimacy(a.node, b.node)).find(({ node }) => passes(node)) ?? exits[0]
  if (carrier === undefined) return { sender, obstacles: [{ kind: 'not shared', login }] }
  return { sender, at: carrier.node, carrier, obstacles: [] }
}

/** Who is there, and then who joined first. (policy.md §15.8) */
function byPrimacy(a: PolicyNode, b: PolicyNode): number {
  return Number(b.online) - Number(a.online) || a.id - b.id
}
