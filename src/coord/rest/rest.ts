/**
 * The REST API: what happens to a request, from top to bottom. (api-v2.md §1 to §4)
 *
 *   route -> proof -> permit -> input -> handler -> answer
 *
 * A stranger's request ends at its proof: nothing of it is read, parsed or looked up but its credential; `self.ts` has
 * the few that prove it by their body. Whatever goes wrong, the answer is JSON with a message and nothing else.
 */

import type { Dice } from '../../base/bytes.ts'
import { MeshError } from '../../base/errors.ts'
import { BASE_PATH } from '../../wire/api/route.ts'
import type { RouteId } from '../../wire/api/routes.ts'
import type { Sha256 } from '../model/credentials.ts'
import type { Ledger } from '../model/ledger.ts'
import { Policies } from '../model/policies.ts'
import type { TailnetNum } from '../model/records.ts'
import { refuse } from './answer.ts'
import type { Answer, Refusal } from './answer.ts'
import { authorise } from './authorise.ts'
import { beginCall } from './begin.ts'
import type { Live, RestConfig, Tools } from './call.ts'
import { callerOf, prove } from './caller.ts'
import type { Identity, Unproved } from './caller.ts'
import { NO_FEDERATION } from './federation.ts'
import type { FederatedLogins } from './federation.ts'
import { handlerOf } from './handlers/all.ts'
import { readInput, readParams } from './input.ts'
import { Turns } from './long-work.ts'
import { matchRoute } from './match.ts'
import { Refusals } from './refusals.ts'
import { respond } from './respond.ts'
import { answerSelf, isSelfRoute } from './self.ts'
import type { SelfOptions } from './self.ts'
import { noteUse } from './use.ts'
import { DeviceTexts } from './views/device-list.ts'

export type { Identity } from './caller.ts'
export type { Live, RestConfig } from './call.ts'

export interface RestOptions {
  readonly ledger: Ledger
  readonly dice: Dice
  readonly primitives: { readonly sha256: Sha256 }
  readonly config: RestConfig
  readonly live: Live
  /** Seals secrets that the server must be able to say again; without it, none are taken. */
  readonly seal?: Tools['seal']
  /** Verifies ID tokens; without it, federated identities get nothing. */
  readonly federation?: FederatedLogins
  /** May this address ask for an access token now? It may always if not given. */
  readonly mayTry?: (from: string) => boolean
  /** Where policies that have been checked are kept; its own if not given. */
  readonly policies?: Policies
  /** Resolves after others have had their turn; nobody waits if not given. */
  readonly pause?: () => Promise<void>
  /** Told of every request to a route, for logs; never told what was in it. */
  readonly onRequest?: (seen: Seen) => void
  /** Told of what went wrong inside; the caller hears only that something did. */
  readonly onError?: (error: unknown, route: RouteId) => void
}

export interface Seen {
  readonly route: RouteId
  readonly status: number
  /** Id of the token, `server`, or `nobody` when no credential was good. */
  readonly by: string
  readonly tailnet?: TailnetNum
  /** Address of the caller, where the shell knows it. */
  readonly from?: string
  /** What was wrong with the credential. */
  readonly fault?: string
  /** The token that it was meant to be. */
  readonly token?: string
}

export interface Rest {
  /**
   * @param identity What the shell vouches for; `undefined`: the request must bring a token.
   * @param from Address of the caller, for the log.
   */
  fetch(request: Request, identity: Identity | undefined, from?: string): Promise<Response>
}

export function createRest(options: RestOptions): Rest {
  const { ledger, live, onRequest, onError } = options
  const { sha256 } = options.primitives
  const tools: Tools = {
    dice: options.dice,
    sha256,
    nextId: (counter) => ledger.nextId(counter),
    logs: ledger.logs,
    config: options.config,
    devices: new DeviceTexts(),
    seal: options.seal ?? unsealed,
    policies: options.policies ?? new Policies(),
    pause: options.pause ?? (() => Promise.resolve()),
    turns: new Turns(),
  }

  const refusals = new Refusals(ledger)
  const self: SelfOptions = {
    ledger,
    tools,
    federation: options.federation ?? NO_FEDERATION,
    mayTry: options.mayTry ?? (() => true),
    onRequest,
  }

  interface Asked {
    readonly request: Request
    readonly identity: Identity | undefined
    readonly from: string | undefined
    readonly url: URL
  }

  async function answer({ request, identity, from, url }: Asked, id: RouteId, raw: Params) {
    const { model } = ledger
    const now = ledger.now()
    const proof = identity ?? prove(request.headers.get('authorization'), model, sha256)
    const caller = proof.kind === 'refused' ? proof : callerOf(proof, model, now)
    const where = from === undefined ? {} : { from }
    if (proof.kind === 'refused' || caller.kind === 'refused') {
      const unproved = caller as Unproved
      const { status, fault, id: token } = unproved
      onRequest?.({ route: id, status, by: 'nobody', fault, ...(token === undefined ? {} : { token }), ...where })
      return unproved
    }
    const by = caller.kind === 'server' ? 'server' : caller.id
    const seen = async (result: Answer<unknown>, tailnet?: TailnetNum) => {
      const status = result.kind === 'done' ? 200 : result.status
      onRequest?.({ route: id, status, by, ...(tailnet === undefined ? {} : { tailnet }), ...where })
      if (result.kind === 'refused' && status === 403) await refusals.note(caller, id, result, from)
      return result
    }

    await noteUse(ledger, caller)
    const params = readParams(id, raw)
    if (params.kind === 'refused') return await seen(params)
    const permit = authorise(id, params.reply, caller, model)
    if (permit.kind === 'refused') return await seen(permit)
    const input = await readInput(id, params.reply, url, request)
    if (input.kind === 'refused') return await seen(input)
    const call = beginCall({ id, params: params.reply, proof, caller, permit, now, from, ledger, live, tools })
    return await seen(await handlerOf(id)(call, input.reply), permit.place?.record.num)
  }

  return {
    async fetch(request, identity, from) {
      const url = new URL(request.url)
      const match = matchRoute(request.method, url.pathname)
      if (match.kind === 'unknown') return respond(refuse(404, `There is nothing at this path of ${BASE_PATH}`))
      if (match.kind === 'unserved') return respond(refuse(501, 'This server does not have this part of the API'))
      if (match.kind === 'wrong-method')
        return respond(refuse(405, `This path takes ${match.allow.join(', ')}`), { allow: match.allow.join(', ') })
      try {
        const { id, params } = match
        if (isSelfRoute(id)) return respond(await answerSelf(self, id, { request, from, url }))
        return respond(await answer({ request, identity, from, url }, id, params))
      } catch (error) {
        onError?.(error, match.id)
        return respond(refusalOf(error))
      }
    },
  }
}

function unsealed(_text: string, place: string): never {
  throw new MeshError('internal', `Cannot keep the secret of ${place}: nothing seals it`)
}

function refusalOf(error: unknown): Refusal {
  const code = error instanceof MeshError ? error.code : undefined
  if (code === 'store/unavailable')
    return refuse(503, 'The server cannot reach its database: try again; it is not known whether this was done')
  if (code === 'store/full')
    return refuse(503, 'The disk of the server’s database is full, and nothing was changed: make room there')
  return refuse(500, 'Something went wrong inside the server; its log says what')
}

type Params = Readonly<Record<string, string>>
