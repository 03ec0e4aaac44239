/** Answers the routes about settings. */

import type { settingsRoutes } from '../../../wire/api/routes/settings.ts'
import { done } from '../answer.ts'
import type { Handlers } from '../call.ts'
import { patchSettings, settingsOf } from '../changes/settings.ts'

export const settingsHandlers: Handlers<keyof typeof settingsRoutes> = {
  getSettings: ({ at }) => done(settingsOf(at.record)),
  patchSettings: ({ changeShared }, { body }) => changeShared((at, shared) => patchSettings(at, shared, body)),
}
