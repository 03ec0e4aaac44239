/** Answers the routes about SCIM. */

import type { scimRoutes } from '../../../wire/api/routes/scim.ts'
import { mintKey } from '../../model/credentials.ts'
import type { Handlers } from '../call.ts'
import { createScimToken } from '../changes/scim.ts'

export const scimHandlers: Handlers<keyof typeof scimRoutes> = {
  createScimToken({ tools, change }, { params, body }) {
    const minted = mintKey(tools.dice, tools.sha256, 'scim')
    return change((at) => createScimToken(at, params.provider, body, minted, tools.config.url))
  },
}
