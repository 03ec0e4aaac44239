/** Answers the routes about Services. */

import type { serviceRoutes } from '../../../wire/api/routes/services.ts'
import type { Act } from '../../../wire/api/scopes.ts'
import type { Node } from '../../model/records.ts'
import type { ServiceRecord } from '../../model/services.ts'
import { done, refuse, settle } from '../answer.ts'
import type { Refusal } from '../answer.ts'
import { NO_DEVICE, nodeIn } from '../authorise.ts'
import { may } from '../caller.ts'
import type { At, Handlers } from '../call.ts'
import { deleteService, NO_SERVICE, setApproval, setService } from '../changes/services.ts'
import { approvalOf, viewHosts, viewService } from '../views/service.ts'

export const serviceHandlers: Handlers<keyof typeof serviceRoutes> = {
  listServices({ at }) {
    const all = [...at.tailnet.all('service')].sort((a, b) => (a.name < b.name ? -1 : 1))
    return done({ vipServices: all.map(viewService) })
  },

  getService({ at }, { params }) {
    const service = at.tailnet.get('service', params.service)
    return service === undefined ? refuse(404, NO_SERVICE) : done(viewService(service))
  },

  setService: ({ change, tools }, { params, body }) => change((at) => setService(at, params.service, body, tools.dice)),
  deleteService: ({ change }, { params }) => change((at) => deleteService(at, params.service)),

  listServiceHosts({ at }, { params }) {
    const service = at.tailnet.get('service', params.service)
    if (service === undefined) return refuse(404, NO_SERVICE)
    return mayUseDevices(at, 'read') ?? done({ hosts: viewHosts(at, service) })
  },

  getServiceApproval({ at }, { params }) {
    const found = find(at, params.service, params.hostId, 'read')
    return found.kind === 'refused' ? found : done(approvalOf(at, found.service, found.node))
  },

  setServiceApproval: ({ change }, { params, body }) =>
    change((at) => {
      const found = find(at, params.service, params.hostId, 'write')
      return found.kind === 'refused' ? settle(found) : setApproval(at, found.service, found.node, body.approved)
    }),
}

function find(
  at: At,
  name: string,
  host: string,
  act: Act,
): { readonly kind: 'found'; readonly service: ServiceRecord; readonly node: Node } | Refusal {
  const service = at.tailnet.get('service', name)
  if (service === undefined) return refuse(404, NO_SERVICE)
  const node = nodeIn(at.tailnet, host)
  if (node === undefined) return refuse(404, NO_DEVICE)
  return mayUseDevices(at, act) ?? { kind: 'found', service, node }
}

/** Which devices there are, and what they may do, is another scope's as well. (api-v2.md §2.4) */
function mayUseDevices({ caller }: At, act: Act): Refusal | undefined {
  if (may(caller, 'devices:core', act)) return undefined
  return refuse(403, `This credential may not do this: it needs devices:core (${act}) as well`)
}
