/** Finds users of a tailnet the way people name them. */

import type { TailnetState } from '../model/model.ts'
import type { User } from '../model/records.ts'

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

/** Under which id the holder of a login name is kept. */
export function loginHolder(loginName: string): string {
  return `login-name/${loginName.toLowerCase()}`
}
export const OWNER_HOLDER = 'owner'
