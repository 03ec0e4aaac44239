/** Making and replacing OAuth clients and federated identities. (api-v2.md §4.4) */

import type { Key as KeyObject } from '../../../wire/api/objects.ts'
import type { UpdateKey } from '../../../wire/api/routes/keys.ts'
import { isTrust } from '../../model/credentials.ts'
import type { MintedKey, Trust } from '../../model/credentials.ts'
import type { Plan } from '../../model/ledger.ts'
import { UNENDING } from '../../model/records.ts'
import type { Federation } from '../../model/records.ts'
import { commit, done, refuse, settle } from '../answer.ts'
import type { Answer, Refusal } from '../answer.ts'
import { needsTags, scopesAmiss } from '../bounds.ts'
import type { At } from '../call.ts'
import { may, userIdOf } from '../caller.ts'
import { isAnything, issuerFault } from '../federation.ts'
import { isForgotten, viewKey } from '../views/key.ts'
import { NO_KEY, scopeNeeded, scopeOfKey } from './keys.ts'
import { permittedTags } from './tags.ts'

/** @param host The server's own, for the audience where none is given */
export function createTrust(
  at: At,
  type: Trust['type'],
  wanted: UpdateKey,
  minted: MintedKey,
  host: string,
): Plan<Answer<KeyObject>> {
  const { caller, now } = at
  if (!may(caller, scopeOfKey({ type }), 'write')) return settle(scopeNeeded({ type }, 'write'))
  const { id, hash, text } = minted
  const rights = rightsOf(at, type, id, wanted, host)
  if (rights.kind === 'refused') return settle(rights)
  const key: Trust = {
    id,
    type,
    hash: type === 'client' ? hash : '',
    user: userIdOf(caller),
    ...(caller.kind === 'client' ? { client: caller.id } : {}),
    created: now,
    expires: UNENDING,
    reusable: true,
    ephemeral: false,
    preauthorized: false,
    ...rights.of,
  }
  const shown = { ...viewKey(at, key), ...(type === 'client' ? { key: text.reveal() } : {}) }
  return commit({ writes: [{ kind: 'key', id, expect: 'absent', value: key }] }, done(shown))
}

/** Everything but its id, its secret and who made it is replaced. */
export function replaceTrust(at: At, id: string, wanted: UpdateKey, host: string): Plan<Answer<KeyObject>> {
  const before = at.tailnet.key(id)
  if (before === undefined || isForgotten(before, at.now)) return settle(refuse(404, NO_KEY))
  if (!isTrust(before))
    return settle(
      refuse(400, 'Only OAuth clients and federated identities can be changed: revoke the key and make another'),
    )
  if (!may(at.caller, scopeOfKey(before), 'write')) return settle(scopeNeeded(before, 'write'))
  if (wanted.keyType !== undefined && wanted.keyType !== before.type)
    return settle(refuse(400, `The type of ${id} is "${before.type}" and cannot be changed`))
  if (before.revoked !== undefined) return settle(refuse(400, `${id} has been revoked and cannot be changed`))
  const rights = rightsOf(at, before.type, id, wanted, host)
  if (rights.kind === 'refused') return settle(rights)
  const { federation: _, ...kept } = before
  const key: Trust = { ...kept, ...rights.of, updated: at.now }
  return commit(
    { writes: [{ kind: 'key', id, expect: at.tailnet.version('key', id), value: key }] },
    done(viewKey(at, key)),
  )
}

interface Rights {
  readonly kind: 'rights'
  readonly of: Pick<Trust, 'description' | 'scopes' | 'tags' | 'federation'>
}

/** What it is to have, if that is well-formed and the caller may give it. */
function rightsOf(at: At, type: Trust['type'], id: string, wanted: UpdateKey, host: string): Rights | Refusal {
  const scopes = [...new Set(wanted.scopes ?? [])]
  if (scopes.length === 0) return refuse(400, 'Want at least one scope, such as "devices:core:read"')
  const amiss = scopesAmiss(at.caller, scopes)
  if (amiss !== undefined) return amiss
  const tags = permittedTags(at, wanted.tags ?? [])
  if (!Array.isArray(tags)) return tags
  if (tags.length === 0 && needsTags(scopes))
    return refuse(400, 'The scopes "devices:core" and "auth_keys" need tags: devices that come by them belong to these')
  const common = { description: wanted.description ?? '', scopes, tags }
  if (type === 'client') return { kind: 'rights', of: common }
  const federation = federationOf(id, wanted, host)
  return 'kind' in federation ? federation : { kind: 'rights', of: { ...common, federation } }
}

function federationOf(id: string, wanted: UpdateKey, host: string): Federation | Refusal {
  const { issuer, subject, audience } = wanted
  const claims = wanted.customClaimRules ?? {}
  if (!issuer || !subject) return refuse(400, 'A federated identity needs an issuer and a subject')
  const fault = issuerFault(issuer)
  if (fault !== undefined) return refuse(400, `Cannot use this issuer: ${fault}`)
  // Large issuers serve everybody: whoever asked them for a token would be let in.
  if (isAnything(subject) && Object.values(claims).every(isAnything))
    return refuse(
      400,
      'This would let in everybody whom the issuer knows: say more of the subject, or give a rule for a claim',
    )
  return { issuer, subject, audience: audience || `${host}/${id}`, claims: { ...claims } }
}
