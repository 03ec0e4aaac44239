/** Finds the owner of a tailnet: whom things belong to that are nobody's otherwise. */

import type { TailnetState } from './model.ts'
import type { User } from './records.ts'

/** A tailnet's first user is its owner until they make somebody else it; `undefined` while it has no users. */
export function ownerIn(tailnet: TailnetState): User | undefined {
  for (const user of tailnet.usersById.values()) if (user.role === 'owner') return user
  return undefined
}
