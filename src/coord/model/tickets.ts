/** Links that let somebody do one thing once: what is kept of one, and the link itself. */

import type { Dice } from '../../base/bytes.ts'
import type { Wall } from '../../base/clock.ts'
import { Secret } from '../../base/secret.ts'
import type { Sha256 } from './credentials.ts'
import type { TailnetState } from './model.ts'
import type { TailnetNum, Ticket, Write } from './records.ts'
import { newToken } from './tokens.ts'

export interface MintedTicket {
  readonly id: string
  /** What the link ends with. */
  readonly text: Secret
}

/** A token; the tailnet before it says where to look. */
export function mintTicket(dice: Dice, sha256: Sha256, tailnet: TailnetNum): MintedTicket {
  const { id, text } = newToken(dice, sha256)
  return { id, text: new Secret(`${tailnet}.${text.reveal()}`, 'link') }
}

export function ticketWrite({ id }: MintedTicket, value: Ticket): Write {
  return { kind: 'ticket', id, expect: 'absent', value }
}

/** @param url the origin that browsers use */
export function ticketUrl(url: string, { text }: MintedTicket): string {
  return `${url}/auth/ticket/${text.reveal()}`
}

/** Invitations that still let somebody in, with the ids of their records. */
export function* openInvites(state: TailnetState, now: Wall): Generator<readonly [id: string, ticket: Ticket]> {
  for (const entry of state.entries('ticket'))
    if (entry[1].purpose === 'invite' && entry[1].invite !== undefined && entry[1].expires > now) yield entry
}
