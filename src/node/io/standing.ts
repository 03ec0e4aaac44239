/**
 * How a node stands, gathered from its parts: what its state follows from (local/ipn.ts), and what its warnings do
 * (health-watch.ts).
 */

import type { Phase } from '../control/actions.ts'
import type { IpnInputs } from '../local/ipn.ts'
import { whyNoExit } from './exit-choice.ts'
import type { HealthFacts } from './health-watch.ts'
import { checkForwarding } from './host/facts.ts'
import type { LiveNode } from './live-node.ts'

/** Where the server takes the node's key no more, whatever a map from before says. */
const LOGGED_OUT: ReadonlySet<Phase> = new Set(['expired', 'log-in', 'needs-login', 'refused'])

export function ipnInputs(node: LiveNode): IpnInputs {
  const { login, netmap, joins, tunnel, prefs, options } = node
  const { phase } = login.state
  const hasNodeKey = options.profiles.login.nodeKey !== undefined
  const self = joins ? undefined : netmap?.fields.self
  const { hasRoutes, hasSession, relays } = tunnel
  return {
    storeWorks: login.storeError === undefined,
    wantRunning: prefs.WantRunning,
    loggedOut: prefs.LoggedOut,
    blocked: false,
    hasNodeKey,
    needsPerson: phase === 'log-in' || phase === 'needs-login' || !hasNodeKey,
    ...(self === undefined
      ? {}
      : { netmap: { expired: LOGGED_OUT.has(phase), authorized: self.MachineAuthorized === true } }),
    // What nobody's packets come to is not up yet, whoever has answered it.
    liveSessions: hasRoutes && hasSession ? 1 : 0,
    liveRelays: hasRoutes ? relays.size : 0,
  }
}

export function healthFacts(node: LiveNode): HealthFacts {
  const { phase, why, online, contested } = node.login.state
  const { home, relays, failure, tunnel, hasNetwork } = node.tunnel
  return {
    prefs: node.prefs,
    hasNetwork,
    needsLogin: node.state === 'NeedsLogin',
    // Where there is a map, a server that can't be reached is no matter of the login.
    loginError: phase === 'refused' || phase === 'locked' || phase === 'connecting' ? why : undefined,
    inMapPoll: online,
    serverError: online ? undefined : why,
    contested,
    ...(tunnel === undefined && failure === undefined
      ? {}
      : {
          tunnel: {
            home,
            homeName: node.relayMap?.regions.get(home)?.RegionName ?? '',
            homeConnected: relays.has(home),
            failure: failure?.message,
          },
        }),
    storeError: node.login.storeError,
    forwarding: checkForwarding(node.prefs.AdvertiseRoutes ?? [])?.text,
    exitNodeError: whyNoExit(node.netmap, node.prefs),
    filterError: tunnel?.engine.filterProblem,
    routesPassedBy: node.hasRoutedPeers,
    clientVersion: node.clientVersion,
  }
}
