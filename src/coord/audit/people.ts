/**
 * Describes by which ways people come in: providers, who they are there, where they are logged in, invitations, passkeys.
 * A provider's secret stays out, and so does the id of a session or a link, which is the hash of one.
 */

import { formatTime } from '../../base/clock.ts'
import type { AuditTarget, AuditValue } from '../model/audit.ts'
import type { IdentityRecord, Provider, TailnetNum } from '../model/records.ts'
import { isOver } from '../model/session-life.ts'
import { became } from './describer.ts'
import type { Context, RecordChange, Said } from './describer.ts'
import { ownTarget } from './tailnets.ts'
import { userTarget } from './users.ts'

export function describeProvider({ id, before, after }: RecordChange<'provider'>, context: Context): readonly Said[] {
  const of = ownTarget(context)
  const target = { ...of, property: 'AUTH_PROVIDER' }
  if (before === undefined) return after === undefined ? [] : [{ target, action: 'CREATE', new: provider(after) }]
  if (after === undefined) return [{ target, action: 'DELETE', old: provider(before) }]
  const said = became(of, 'AUTH_PROVIDER', provider(before), provider(after))
  const isSecretNew = secretOf(before) !== secretOf(after)
  if (!isSecretNew) return said
  return [...said, { target: { ...of, property: 'SECRET' }, action: 'UPDATE', details: `client secret of ${id}` }]
}

function secretOf({ settings }: Provider): string | undefined {
  return settings.kind === 'saml' ? undefined : settings.clientSecret
}

function provider({ settings, created: _created, ...rest }: Provider): AuditValue {
  const shown = settings.kind === 'saml' ? settings : { ...settings, clientSecret: undefined }
  return { ...rest, settings: { ...shown } } as unknown as AuditValue
}

export function describeIdentity({ before, after }: RecordChange<'identity'>, context: Context): readonly Said[] {
  const record = after ?? before
  if (record === undefined) return []
  const target = userNamed(context, context.tailnet, record.user)
  return became(
    target,
    'AUTH_PROVIDER',
    before === undefined ? undefined : identity(before),
    after === undefined ? undefined : identity(after),
  )
}

function identity({ provider, issuer, subject, email, groups }: IdentityRecord): AuditValue {
  return { provider, issuer, subject, ...(email === undefined ? {} : { email }), groups }
}

/** Logged in, or logged out. That a session has run out is nobody's doing. */
export function describeSession({ before, after }: RecordChange<'session'>, context: Context): readonly Said[] {
  const session = after ?? before
  if (session === undefined) return []
  const { tailnet, user, from, agent, expires } = session
  const about = { target: { ...userNamed(context, tailnet, user), type: 'ADMIN_CONSOLE' }, log: tailnet } as const
  if (before === undefined) return [{ ...about, action: 'LOGIN', new: { from, agent, expires: formatTime(expires) } }]
  if (after === undefined)
    return isOver(session, context.now) ? [] : [{ ...about, action: 'LOGOUT', old: { from, agent } }]
  const isAgain = JSON.stringify(before.authenticated) !== JSON.stringify(after.authenticated)
  return isAgain ? [{ ...about, action: 'LOGIN', new: { from, agent, expires: formatTime(expires) } }] : []
}

/** Made, or taken back. That one is used, what comes of it says; that one has run out is nobody's doing. */
export function describeTicket({ before, after }: RecordChange<'ticket'>, context: Context): readonly Said[] {
  const ticket = after ?? before
  if (ticket === undefined || (before !== undefined && after !== undefined)) return []
  const { purpose, user, role, email, expires } = ticket
  if (after === undefined && expires <= context.now) return []
  const name = email ?? (user === undefined ? '' : userNamed(context, context.tailnet, user).name)
  const said: AuditValue = { purpose, role, email, expires: formatTime(expires) }
  const target: AuditTarget = { id: ticket.invite ?? '', name, type: 'INVITE', property: 'TAILNET_INVITE' }
  if (after === undefined) return [{ target, action: 'DELETE', old: said }]
  return [{ target, action: after.resent === true ? 'RESEND' : 'CREATE', new: said }]
}

export function describePasskey({ id, before, after }: RecordChange<'passkey'>, context: Context): readonly Said[] {
  const passkey = after ?? before
  if (passkey === undefined) return []
  const target = userNamed(context, context.tailnet, passkey.user)
  const view = (name: string): AuditValue => ({ id, name })
  return became(
    target,
    'PASSKEY',
    before === undefined ? undefined : view(before.name),
    after === undefined ? undefined : view(after.name),
    before === undefined ? 'CREATE' : after === undefined ? 'DELETE' : 'UPDATE',
  )
}

function userNamed({ model, tailnet: scope, after }: Context, tailnet: TailnetNum, id: number): AuditTarget {
  const user = (scope === tailnet ? after('user', String(id)) : undefined) ?? model.state(tailnet).usersById.get(id)
  return user === undefined ? { id: String(id), name: '', type: 'USER' } : userTarget(user)
}
