/** What a server needs before anybody can join: a tailnet with an owner, and a key to join by. */

import type { Dice } from '../base/bytes.ts'
import { DAY_MS, HOUR_MS, later } from '../base/clock.ts'
import { MeshError } from '../base/errors.ts'
import { Secret } from '../base/secret.ts'
import { worker } from './model/actors.ts'
import { mintKey, randomStableId } from './model/credentials.ts'
import type { Sha256 } from './model/credentials.ts'
import type { Ledger } from './model/ledger.ts'
import { ownerIn } from './model/owner.ts'
import { SERVER } from './model/records.ts'
import type { Key, Tailnet, Write } from './model/records.ts'
import { newTailnet, tailnetWrites } from './rest/changes/tailnets.ts'
import { hasWayIn, newUser, userWrites } from './model/people.ts'
import { mintTicket, ticketUrl, ticketWrite } from './model/tickets.ts'

const FIRST_START = worker('server start')
/** The first tailnet, until somebody names their own. */
const FIRST_TAILNET = 'home'

/** The tailnet that is meant where none is named; made together with its owner if there is none yet. */
export async function firstTailnet(ledger: Ledger, dice: Dice, domain: string): Promise<Tailnet> {
  let tailnet = ledger.model.tailnets()[0]
  if (tailnet === undefined) {
    const num = await ledger.nextId('tailnet')
    tailnet = await ledger.transact(SERVER, FIRST_START, (model, now) => {
      const first = model.tailnets()[0]
      if (first !== undefined) return { result: first }
      const made = newTailnet(num, randomStableId(dice, 'T'), FIRST_TAILNET, domain, now)
      return { batch: { writes: tailnetWrites(model.server, made) ?? [] }, result: made }
    })
  }
  const { num } = tailnet
  if (ledger.model.state(num).count('user') === 0) {
    const id = await ledger.nextId('user')
    await ledger.transact(num, FIRST_START, (model, now) => {
      const state = model.state(num)
      if (state.count('user') > 0) return { result: undefined }
      return {
        batch: { writes: userWrites(state, newUser(id, `admin@${tailnet.domain}`, 'owner', now)) },
        result: undefined,
      }
    })
  }
  return tailnet
}

/** A fresh auth key for one machine, good for an hour; for the line that the server prints at its start. */
export async function welcomeKey(ledger: Ledger, tailnet: Tailnet, dice: Dice, sha256: Sha256): Promise<Secret> {
  const minted = mintKey(dice, sha256, 'auth')
  await ledger.transact(tailnet.num, FIRST_START, (model, now) => {
    const owner = ownerIn(model.state(tailnet.num))
    if (owner === undefined)
      throw new MeshError('internal', `Cannot make an auth key: tailnet ${tailnet.name} has no owner`)
    const key: Key = {
      id: minted.id,
      type: 'auth',
      hash: minted.hash,
      description: 'printed at server start',
      user: owner.id,
      created: now,
      expires: later(now, HOUR_MS),
      reusable: false,
      ephemeral: false,
      preauthorized: true,
      tags: [],
      scopes: [],
    }
    return { batch: { writes: [{ kind: 'key', id: key.id, expect: 'absent', value: key }] }, result: undefined }
  })
  return minted.text
}

/**
 * A link by which somebody becomes the owner, once, within a day: while the owner has no way to log in yet. It ends those
 * that were printed before.
 */
export async function ownerLink(
  ledger: Ledger,
  tailnet: Tailnet,
  dice: Dice,
  sha256: Sha256,
  url: string,
): Promise<Secret | undefined> {
  const minted = mintTicket(dice, sha256, tailnet.num)
  return await ledger.transact(tailnet.num, FIRST_START, (model, now) => {
    const state = model.state(tailnet.num)
    const owner = ownerIn(state)
    if (owner === undefined || hasWayIn(state, owner.id)) return { result: undefined }
    const printed = [...state.entries('ticket')].filter(([, { purpose, by }]) => purpose === 'owner' && by === '')
    const ended = printed.map(([id]): Write => ({ kind: 'ticket', id, expect: 'any', value: null }))
    const ticket = { purpose: 'owner', user: owner.id, by: '', created: now, expires: later(now, DAY_MS) } as const
    return {
      batch: { writes: [...ended, ticketWrite(minted, ticket)] },
      result: new Secret(ticketUrl(url, minted), 'link'),
    }
  })
}
