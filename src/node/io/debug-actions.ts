/** What `sett debug` can have a running node do: connections broken, relays preferred, maps gone through again. */

import { dirname } from 'node:path'
import { MeshError } from '../../base/errors.ts'
import { generateKey } from '../../crypto/primitives.ts'
import { differences } from '../control/netmap.ts'
import type { DebugAction } from '../local/backend.ts'
import { netmapJson } from '../local/netmap-json.ts'
import type { LiveNode } from './live-node.ts'

/** Does it, and gives what is to be shown as JSON, if anything. */
export function debugAction(node: LiveNode, action: DebugAction, body: string): unknown {
  const { tunnel, login, options, netmap } = node
  const { bus, clocks, primitives } = options
  switch (action) {
    case 'restun':
      return tunnel.tunnel?.lookAround('somebody asked')
    case 'rebind':
      return tunnel.reopen()
    case 'rotate-disco-key':
      return node.useDisco(generateKey(primitives.random))
    case 'break-tcp-conns':
      login.breakConnections()
      return tunnel.tunnel?.breakRelays()
    case 'break-derp-conns':
      return tunnel.tunnel?.breakRelays()
    case 'pick-new-derp':
      return tunnel.tunnel?.preferRelay(anotherRegion(node), 'once')
    case 'force-prefer-derp':
      return tunnel.tunnel?.preferRelay(regionIn(body), 'always')
    case 'force-netmap-update':
      if (netmap !== undefined) tunnel.netmap(netmap, differences(undefined, netmap))
      return undefined
    case 'clear-netmap-cache':
      return login.forgetMap()
    case 'notify-last-netmap':
      if (netmap !== undefined) bus.publish({ self: netmap.fields.self }, clocks.mono())
      return undefined
    case 'current-netmap':
      return netmap === undefined ? null : netmapJson(netmap, node.relayMap?.regions)
    case 'statedir':
      return dirname(options.mapFile)
    case 'control-knobs':
      // The server turns none of this version's.
      return {}
  }
}

/** Some region but our home's; 0: there is none. */
function anotherRegion({ relayMap, tunnel, options }: LiveNode): number {
  const others = [...(relayMap?.regions.keys() ?? [])].filter((region) => region !== tunnel.home)
  const [dice = 0] = options.primitives.random(1)
  return others[dice % Math.max(1, others.length)] ?? 0
}

function regionIn(body: string): number {
  if (!/^\s*\d{1,9}\s*$/.test(body))
    throw new MeshError('input/invalid', 'Cannot prefer a relay: want a region’s number')
  return Number(body)
}
