/** People of a tailnet: found the way people name them, and the writes by which one comes to be. */

import type { Wall } from '../../base/clock.ts'
import type { TailnetState } from './model.ts'
import type { Role, User, Write } from './records.ts'

/** By login name, in any case, or by id. */
export function findUser(tailnet: TailnetState, text: string): User | undefined {
  const holder = tailnet.get('holder', loginHolder(text))?.holder
  if (holder !== undefined) return tailnet.usersById.get(holder)
  return tailnet.usersByLogin.get(text) ?? (/^[1-9]\d*$/.test(text) ? tailnet.usersById.get(Number(text)) : undefined)
}

/** Why there is nobody of this name, and who may have been meant. */
export function noSuchUser(tailnet: TailnetState, text: string): string {
  const told = text.slice(0, 254)
  const meant = [...tailnet.usersByLogin.keys()].find((login) =>
    login.toLowerCase().startsWith(`${told.toLowerCase()}@`),
  )
  const hint = meant === undefined ? 'create them first' : `did you mean ${meant}?`
  return `No user "${told}" in this tailnet: ${hint}`
}

/** What the client secret of an identity provider is sealed for. */
export function providerSecretPlace(provider: string): string {
  return `identity provider ${provider}`
}

/** What somebody is called whose address nobody vouches for: by their name at a provider, or in its directory. */
export function handleLogin(name: string, place: string): string {
  return `${name.replace(/[^A-Za-z0-9._+-]/g, '-').slice(0, 64)}@${place}`
}

/** Under which id the holder of a login name is kept. */
export function loginHolder(loginName: string): string {
  return `login-name/${loginName.toLowerCase()}`
}
export const OWNER_HOLDER = 'owner'

/** The writes by which a user comes to be, for whoever makes one: the API, a login, or the server at its first start. */
export function userWrites(tailnet: TailnetState, user: User): Write[] {
  const writes: Write[] = [
    { kind: 'user', id: String(user.id), expect: 'absent', value: user },
    holderWrite(tailnet, loginHolder(user.loginName), user.id),
  ]
  if (user.role === 'owner') writes.push(holderWrite(tailnet, OWNER_HOLDER, user.id))
  return writes
}

export function newUser(id: number, loginName: string, role: Role, now: Wall, displayName?: string): User {
  return {
    id,
    loginName,
    displayName: displayName ?? (loginName.split('@', 1)[0] as string),
    profilePicUrl: '',
    role,
    status: 'active',
    created: now,
  }
}

export function holderWrite(tailnet: TailnetState, id: string, holder: number | null): Write {
  return { kind: 'holder', id, expect: tailnet.version('holder', id), value: holder === null ? null : { holder } }
}

export function userWrite(tailnet: TailnetState, user: User): Write {
  const id = String(user.id)
  return { kind: 'user', id, expect: tailnet.version('user', id), value: user }
}

/** Can this user log in at all, by whatever? */
export function hasWayIn(state: TailnetState, user: number): boolean {
  for (const identity of state.all('identity')) if (identity.user === user) return true
  for (const passkey of state.all('passkey')) if (passkey.user === user) return true
  return false
}
