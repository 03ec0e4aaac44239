/**
 * What a handler has in hand: who calls, the tailnet that the call is about, and ways to change just that.
 *
 * Which of the three shapes a route gets follows from the route: its tailnet, the server, or neither.
 */

import type { Dice } from '../../base/bytes.ts'
import type { Wall } from '../../base/clock.ts'
import type { Input, Reply, RouteId, Routes } from '../../wire/api/routes.ts'
import type { Pinged } from '../../wire/api/sett-objects.ts'
import type { Sha256 } from '../model/credentials.ts'
import type { Ledger, Plan } from '../model/ledger.ts'
import type { TailnetState } from '../model/model.ts'
import type { Policies } from '../model/policies.ts'
import type { Node, PendingLogin, Tailnet, TailnetNum, Write } from '../model/records.ts'
import type { Answer } from './answer.ts'
import type { Place, ThingName } from './authorise.ts'
import type { Caller } from './caller.ts'
import type { FederatedLogins } from './federation.ts'
import type { Turns } from './long-work.ts'
import type { DeviceTexts } from './views/device-list.ts'

/** What is known outside the records. */
export interface Live {
  isOnline(tailnet: TailnetNum, node: number): boolean
  /** Asks a node over its map stream whether it is there. */
  ping(tailnet: TailnetNum, node: Node, echo: boolean): Promise<Pinged>
  /** The name of a relay region, as `clientConnectivity` shows it. */
  regionName(region: number): string | undefined
  /** When the server's own certificate ends, and when it could not be replaced; `undefined`: it has none. */
  certificate?(): { readonly until?: Wall; readonly failure?: { readonly at: Wall } } | undefined
}

export interface RestConfig {
  readonly version: string
  /** Where clients reach this server. */
  readonly url: string
  readonly started: Wall
  /** New tailnets get a label of their own under this domain. */
  readonly tailnetDomain: string
}

export interface Tools {
  readonly dice: Dice
  readonly sha256: Sha256
  readonly nextId: Ledger['nextId']
  readonly logs: Ledger['logs']
  readonly config: RestConfig
  readonly policies: Policies
  readonly devices: DeviceTexts
  /** Seals a secret that the server must be able to say again, for the place that it belongs to. */
  readonly seal: (text: string, place: string) => string
  /** Lets others have their turn, between steps of something long. */
  readonly pause: () => Promise<void>
  /** Whose turn it is to have something long done. */
  readonly turns: Turns
}

/** The tailnet as it is at one moment, and who asks. */
export interface At extends Place {
  readonly caller: Caller
  readonly now: Wall
  readonly live: Live
  readonly policies: Policies
}

/** What stands in the server's own scope and is still a tailnet's own: handlers look at, and touch, nothing else of it. */
export interface Shared {
  login(code: string): PendingLogin | undefined
  writeLogin(login: PendingLogin): Write
  writeTailnet(record: Tailnet): Write
  readonly server: TailnetState
}

/** For routes that are about no tailnet in particular. */
export interface OpenCall {
  readonly caller: Caller
  readonly now: Wall
  readonly live: Live
  readonly tools: Tools
  /** The tailnets that the caller may see. */
  readonly visible: readonly Place[]
}

export interface Call extends OpenCall {
  readonly at: At
  /** Changes the tailnet. The builder sees it as it is then; who may do this is looked at again each time. */
  readonly change: <T>(build: (at: At) => Plan<Answer<T>>) => Promise<Answer<T>>
  readonly shared: Shared
  readonly changeShared: <T>(build: (at: At, shared: Shared) => Plan<Answer<T>>) => Promise<Answer<T>>
}

export interface ServerCall extends OpenCall {
  readonly scope: TailnetState
  readonly change: <T>(build: (scope: TailnetState, now: Wall) => Plan<Answer<T>>) => Promise<Answer<T>>
}

/** For routes whose bodies prove who asks. Nobody is proved yet. */
export interface SelfCall {
  readonly ledger: Ledger
  readonly tools: Tools
  readonly federation: FederatedLogins
  /** Address of the caller. */
  readonly from: string | undefined
  readonly authorization: string | undefined
  /** What the log is told beside the answer: whose credential it was meant to be, and what was wrong with it. */
  readonly known: { client?: string; tailnet?: TailnetNum; fault?: string }
}

type CallOf<Id extends RouteId> = Routes[Id]['access']['kind'] extends 'self'
  ? SelfCall
  : Routes[Id]['access']['kind'] extends 'server'
    ? ServerCall
    : Routes[Id]['path'] extends `${string}{${'tailnet' | ThingName}}${string}`
      ? Call
      : OpenCall

export type Handler<Id extends RouteId> = (
  call: CallOf<Id>,
  input: Input<Id>,
) => Answer<Reply<Id>> | Promise<Answer<Reply<Id>>>
export type Handlers<Ids extends RouteId = RouteId> = { readonly [Id in Ids]: Handler<Id> }

export function isOnline(at: At, node: Node): boolean {
  return at.live.isOnline(at.tailnet.num, node.id)
}
