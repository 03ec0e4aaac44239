/** Making tokens for directories. */

import type { Key as KeyObject } from '../../../wire/api/objects.ts'
import type { CreateScimToken } from '../../../wire/api/routes/scim.ts'
import type { MintedKey } from '../../model/credentials.ts'
import type { Plan } from '../../model/ledger.ts'
import { UNENDING } from '../../model/records.ts'
import type { Key } from '../../model/records.ts'
import { commit, done, refuse, settle } from '../answer.ts'
import type { Answer } from '../answer.ts'
import { userIdOf } from '../caller.ts'
import type { At } from '../call.ts'
import { viewKey } from '../views/key.ts'
import { NO_PROVIDER } from './people.ts'

/** What directories are given as the address of the server, below its origin. */
const SCIM_PATH = '/scim/v2'
/** One, and a second while it is replaced; more tokens are forgotten ones. */
const TOKENS_MAX = 5

export function createScimToken(
  at: At,
  provider: string,
  { description }: CreateScimToken,
  minted: MintedKey,
  url: string,
): Plan<Answer<{ token: KeyObject; url: string }>> {
  const { tailnet, caller, now } = at
  if (tailnet.get('provider', provider) === undefined) return settle(refuse(404, NO_PROVIDER))
  const good = [...tailnet.all('key')].filter((key) => key.provider === provider && key.revoked === undefined)
  if (good.length >= TOKENS_MAX)
    return settle(refuse(400, `A directory has at most ${TOKENS_MAX} tokens: revoke one that is not used any more`))
  const key: Key = {
    id: minted.id,
    type: 'scim',
    hash: minted.hash,
    description,
    user: userIdOf(caller),
    // It ends with the client that made it.
    ...(caller.kind === 'client' ? { client: caller.id } : {}),
    created: now,
    expires: UNENDING,
    reusable: true,
    ephemeral: false,
    preauthorized: false,
    tags: [],
    scopes: [],
    provider,
  }
  const token = { ...viewKey(at, key), key: minted.text.reveal() }
  const write = { kind: 'key', id: key.id, expect: 'absent', value: key } as const
  return commit({ writes: [write] }, done({ token, url: `${url}${SCIM_PATH}` }))
}
