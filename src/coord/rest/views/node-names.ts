/** What devices are called that an answer tells of by their numbers. */

import type { TailnetState } from '../../model/model.ts'

export function nodeNames(tailnet: TailnetState, ids: Iterable<number>): Record<string, string> {
  return Object.fromEntries([...ids].map((id) => [String(id), tailnet.node(id)?.name ?? String(id)]))
}
