/** The objects that Sett's API has beyond Tailscale's. */

import { formatTime } from '../../../base/clock.ts'
import type { Wall } from '../../../base/clock.ts'
import { shortKey } from '../../../base/keys.ts'
import type { AddressHistory, Login, ServerStatus, Tailnet } from '../../../wire/api/sett-objects.ts'
import type { AddressRecord, PendingLogin } from '../../model/records.ts'
import { SERVICE_HOLDER } from '../../model/services.ts'
import type { TailnetState } from '../../model/model.ts'
import type { Place } from '../authorise.ts'
import type { Live } from '../call.ts'

export function viewLogin(login: PendingLogin, now: Wall): Login {
  return {
    code: login.code,
    hostname: login.hostname,
    os: login.os,
    from: login.from,
    key: shortKey(login.nodeKey),
    ephemeral: login.ephemeral,
    requestTags: [...login.requestTags],
    created: formatTime(login.created),
    expires: formatTime(login.expires),
    outcome: login.outcome?.kind ?? (login.expires <= now ? 'expired' : 'waiting'),
  }
}

/** As much of a tailnet as is counted here. */
type Counted = Pick<Place, 'record'> & { readonly tailnet: Pick<TailnetState, 'num' | 'nodesById' | 'usersById'> }

export function viewTailnet({ record, tailnet }: Counted, live: Live): Tailnet {
  let online = 0
  for (const id of tailnet.nodesById.keys()) if (live.isOnline(tailnet.num, id)) online++
  return {
    id: record.stableId,
    name: record.name,
    domain: record.domain,
    created: formatTime(record.created),
    deviceCount: tailnet.nodesById.size,
    onlineCount: online,
    userCount: tailnet.usersById.size,
  }
}

/** Nothing where the server has no certificate of its own. */
export function viewCertificate(live: Live): Pick<ServerStatus, 'certificate'> {
  const state = live.certificate?.()
  if (state === undefined) return {}
  const { until, failure } = state
  return {
    certificate: {
      ...(until === undefined ? {} : { expires: formatTime(until) }),
      ...(failure === undefined ? {} : { failed: formatTime(failure.at) }),
    },
  }
}

export function viewAddress(tailnet: TailnetState, address: string, record: AddressRecord): AddressHistory {
  return {
    address,
    holds: record.holds.map(({ node, name, since, until, ...hold }) => {
      const when = { since: formatTime(since), ...(until === undefined ? {} : { until: formatTime(until) }) }
      if (node === SERVICE_HOLDER) return { id: name, name, ...when }
      const holder = tailnet.node(node)
      const stableId = holder?.stableId ?? hold.stableId
      return {
        id: String(node),
        ...(stableId === undefined ? {} : { nodeId: stableId }),
        ...(holder === undefined ? { deleted: true as const } : {}),
        // Who holds it now may have been renamed since.
        name: until === undefined ? (holder?.name ?? name) : name,
        ...when,
      }
    }),
  }
}
