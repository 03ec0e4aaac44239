/** What the engine and the shell use of the relay connections. */

export type { RelayAction, RelayCounters, RelayDrop, RelayPhase, RelayReport, RelayState } from './actions.ts'
export type { RelayMeta } from './link.ts'
export { RelayClients } from './relay-clients.ts'
export type { RelayClientsOptions } from './relay-clients.ts'
export type { RelayAddress, RelayTarget, RelayTls } from './targets.ts'
