/**
 * Events that nobody causes and that come with time: a key that will expire within a day, a machine that has said that
 * it does not forward what it routes.
 */

import { DAY_MS, formatTime } from '../../base/clock.ts'
import type { Wall } from '../../base/clock.ts'
import type { EventType } from '../../wire/webhook-events.ts'
import type { Node } from '../model/records.ts'
import { nodeTold } from './events.ts'
import type { About, Happened } from './events.ts'

/** Those after the one time, up to the other, in the order of their times. */
export function noticesBetween(about: About, after: Wall, until: Wall): readonly Happened[] {
  const found: Happened[] = []
  const note = (at: Wall, type: EventType, node: Node, more: Readonly<Record<string, unknown>>): void => {
    if (at > after && at <= until) found.push({ at, type, ...nodeTold(type, node, about, { ...more, actor: '' }) })
  }
  for (const node of about.state.all('node')) {
    const { keyExpiry, keyExpiryDisabled, loggedIn, forwardingOff, hostinfo } = node
    if (!keyExpiryDisabled && keyExpiry !== undefined && keyExpiry > until) {
      const at = (keyExpiry - DAY_MS) as Wall
      // A key that was made for less than a day surprises nobody.
      if (loggedIn < at) note(at, 'nodeKeyExpiringInOneDay', node, { expiration: formatTime(keyExpiry) })
    }
    if (forwardingOff !== undefined) {
      const routes = hostinfo.RoutableIPs ?? []
      const exits = routes.filter((route) => route === '0.0.0.0/0' || route === '::/0')
      if (exits.length > 0) note(forwardingOff, 'exitNodeIPForwardingNotEnabled', node, {})
      if (routes.length > exits.length) note(forwardingOff, 'subnetIPForwardingNotEnabled', node, {})
    }
  }
  return found.sort((a, b) => a.at - b.at)
}
