/** What is worth a warning beside a change of settings. */

import { MeshError } from '../../base/errors.ts'
import type { LocalClient } from '../../sdk/local-client.ts'
import type { Prefs } from '../../sdk/local-client-types.ts'
import { plain } from '../plain.ts'
import type { Surroundings } from './surroundings.ts'

export function warn(at: Surroundings, words: string): void {
  at.out.write(`Warning: ${words}\n`)
}

/** Says what in the machine's own settings stands against forwarding for others. */
export async function warnOfRoutes(at: Surroundings, node: LocalClient, prefs: Prefs): Promise<void> {
  if ((prefs.AdvertiseRoutes ?? []).length === 0 && !prefs.AppConnector.Advertise) return
  for (const check of ['check-ip-forwarding', 'check-udp-gro-forwarding'] as const) {
    try {
      const warning = await node.warningOf(check)
      if (warning !== '') warn(at, warning)
    } catch (error) {
      if (!(error instanceof MeshError)) throw error
      warn(at, error.message)
    }
  }
}

/** Health messages that somebody who has just said `up` can do something about. Others come and go at every start. */
const WORTH_TELLING: readonly RegExp[] = [
  /Tailscale SSH enabled, but /,
  /Some peers are advertising routes but --accept-routes is false/,
  /this node is locked out/,
  /Tailnet Lock state is only being stored in-memory/,
  /update available: /i,
]

export async function warnOfHealth(at: Surroundings, node: LocalClient): Promise<void> {
  const status = await node.status(false).catch((error: unknown) => {
    // What was asked for is done; that this says nothing now is no failure of it.
    if (error instanceof MeshError) return undefined
    throw error
  })
  const told = (status?.Health ?? []).filter((line) => WORTH_TELLING.some((pattern) => pattern.test(line))).map(plain)
  if (told.length === 1) at.out.write(`${told[0]}\n`)
  if (told.length > 1) at.out.write(`# Health check warnings:\n${told.map((line) => `#     - ${line}\n`).join('')}`)
}
