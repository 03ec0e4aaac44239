/** The state that a node shows to its owner, as the IPN state machine counts it (node.md §13). */

/** In the order of their numbers: the notification bus sends the number, status the name. */
export const IPN_STATES = [
  'NoState',
  'InUseOtherUser',
  'NeedsLogin',
  'NeedsMachineAuth',
  'Stopped',
  'Starting',
  'Running',
] as const

export type IpnState = (typeof IPN_STATES)[number]

/** The number of a state on the bus. */
export function ipnStateNumber(state: IpnState): number {
  return IPN_STATES.indexOf(state)
}

/** Everything that the next state depends on, beside the state before. */
export interface IpnInputs {
  /** The state file can be written. */
  readonly storeWorks: boolean
  readonly wantRunning: boolean
  readonly loggedOut: boolean
  /** Engine updates are held back until a new login: own key expired, or profile being switched. */
  readonly blocked: boolean
  /** A node key that some server has accepted. */
  readonly hasNodeKey: boolean
  /** The login needs a person: the server has given a link, or none may be begun without being asked for. */
  readonly needsPerson: boolean
  /** What the map says of this node; absent: there is no map. */
  readonly netmap?: { readonly expired: boolean; readonly authorized: boolean }
  /** Peers with a WireGuard session. */
  readonly liveSessions: number
  /** Relays with a connection. */
  readonly liveRelays: number
}

/** The next state: the first row of the table that fits. */
export function nextIpnState(was: IpnState, now: IpnInputs): IpnState {
  if (!now.storeWorks) return 'NoState'
  if (!now.wantRunning && !now.loggedOut && !now.blocked && now.hasNodeKey) return 'Stopped'
  if (now.netmap === undefined) {
    if (now.needsPerson || now.loggedOut) return 'NeedsLogin'
    return was === 'Stopped' ? 'Starting' : was
  }
  if (!now.wantRunning) return 'Stopped'
  if (now.netmap.expired) return 'NeedsLogin'
  if (!now.netmap.authorized) return 'NeedsMachineAuth'
  if (was === 'NeedsMachineAuth') return 'Starting'
  if (was === 'Starting') return now.liveSessions > 0 || now.liveRelays > 0 ? 'Running' : 'Starting'
  return was === 'Running' ? 'Running' : 'Starting'
}

/** Does entering this state take engine, routes and DNS out of service? */
export function isIdle(state: IpnState): boolean {
  return state === 'NeedsLogin' || state === 'Stopped' || state === 'NoState'
}
