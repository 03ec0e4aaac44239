/** Access tokens of OAuth clients and federated identities: good for an hour, and gone with whoever they were given to. */

import { HOUR_MS, later, SECOND_MS } from '../../../base/clock.ts'
import type { Wall } from '../../../base/clock.ts'
import type { AccessToken as Shown } from '../../../wire/api/routes/oauth.ts'
import type { MintedKey, Trust } from '../../model/credentials.ts'
import type { Plan } from '../../model/ledger.ts'
import type { TailnetState } from '../../model/model.ts'
import type { AccessToken } from '../../model/records.ts'
import { commit, done, refuse, settle } from '../answer.ts'
import type { Answer } from '../answer.ts'

const LIFE_MS = HOUR_MS
/**
 * Most that one client may hold. Every machine that joins by its secret takes one, so that a fleet of a thousand which
 * starts anew within an hour gets by; a script that asks for one with each call does not fill the database.
 */
export const MAX_PER_CLIENT = 2000

export function issueToken(
  tailnet: TailnetState,
  { id: client }: Trust,
  { scopes, tags }: Pick<AccessToken, 'scopes' | 'tags'>,
  minted: MintedKey,
  now: Wall,
): Plan<Answer<Shown>> {
  let held = 0
  for (const token of tailnet.all('access-token')) if (token.client === client && token.expires > now) held++
  if (held >= MAX_PER_CLIENT)
    return settle({
      ...refuse(429, `${client} holds ${held} access tokens, and each is good for an hour: use one for many requests`),
      headers: { 'retry-after': '60' },
    })
  const { id, hash } = minted
  const token: AccessToken = { hash, client, scopes, tags, created: now, expires: later(now, LIFE_MS) }
  const shown: Shown = {
    access_token: minted.text.reveal(),
    token_type: 'Bearer',
    expires_in: LIFE_MS / SECOND_MS,
    scope: scopes.join(' '),
  }
  return commit(
    {
      writes: [
        { kind: 'access-token', id, expect: 'absent', value: token },
        { kind: 'key-use', id: client, expect: 'any', value: { at: now } },
      ],
      checks: [{ kind: 'key', id: client, version: tailnet.version('key', client) }],
    },
    done(shown),
  )
}
