/** Answers the routes about what a tailnet routes, and what waits to be approved. */

import type { routingRoutes } from '../../../wire/api/routes/routing.ts'
import { done, refuse, settle } from '../answer.ts'
import { NO_DEVICE, nodeIn } from '../authorise.ts'
import type { Handlers } from '../call.ts'
import { changeRoutes } from '../changes/routes.ts'
import { viewApprovals, viewRoutings } from '../views/routing.ts'

export const routingHandlers: Handlers<keyof typeof routingRoutes> = {
  listRoutings: ({ at }) => done({ routes: viewRoutings(at) }),

  changeDeviceRoutes: ({ change }, { params, body }) =>
    change((at) => {
      const node = nodeIn(at.tailnet, params.deviceId)
      return node === undefined ? settle(refuse(404, NO_DEVICE)) : changeRoutes(at, node, body)
    }),

  listApprovals: ({ at }) => done({ approvals: viewApprovals(at) }),
}
