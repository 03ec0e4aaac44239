/** The lines of the notification bus: what has changed is there, what has not is `null` or absent (node.md §9.2). */

import { ipnStateNumber } from './ipn.ts'
import { netmapJson } from './netmap-json.ts'
import { WATCH } from './notice.ts'
import type { BusStart, Notice, WatcherOptions } from './notice.ts'
import { nodeJson, suffixOf } from './node-json.ts'
import { prefsJson } from './prefs-json.ts'
import { statusJson } from './status.ts'

/** Members that a watcher may be told at its start only. */
interface StartMembers {
  readonly SessionID?: string
  readonly InitialStatus?: object
  readonly NetMap?: object
}

/** @param version of the daemon. One line, with its line feed. */
export function notifyLine(version: string, notice: Notice, start: StartMembers = {}): string {
  const { state, engine } = notice
  const line = {
    Version: version,
    SessionID: start.SessionID,
    ErrMessage: notice.error ?? null,
    LoginFinished: notice.loginFinished === true ? {} : null,
    State: state === undefined ? null : ipnStateNumber(state),
    Prefs: notice.prefs === undefined ? null : prefsJson(notice.prefs),
    SelfChange: notice.self === undefined ? undefined : nodeJson(notice.self, suffixOf(notice.self.Name)),
    InitialStatus: start.InitialStatus,
    NetMap: start.NetMap ?? null,
    PeersChanged: notice.peersChanged?.map((peer) => nodeJson(peer, notice.suffix ?? '')),
    PeersRemoved: notice.peersRemoved,
    Engine:
      engine === undefined
        ? null
        : {
            RBytes: engine.rxBytes,
            WBytes: engine.txBytes,
            NumLive: engine.livePeers,
            LiveDERPs: engine.liveRelays,
            LivePeers: null,
          },
    BrowseToURL: notice.browseToUrl ?? null,
    ClientVersion: notice.clientVersion,
    DriveShares: null,
    Health: notice.health,
  }
  return `${JSON.stringify(line)}\n`
}

/** Any of these bits brings a first line. */
const ASKS_FOR_START =
  WATCH.initialState |
  WATCH.initialPrefs |
  WATCH.initialNetmap |
  WATCH.initialDriveShares |
  WATCH.initialOutgoingFiles |
  WATCH.initialHealth |
  WATCH.suggestedExitNode |
  WATCH.initialClientVersion |
  WATCH.initialStatus

/** How things stand, as far as the mask asks; `undefined`: it does not. */
export function firstLine(
  version: string,
  { mask, sessionId }: WatcherOptions,
  { view, prefs, health, clientVersion }: BusStart,
): string | undefined {
  if (!(mask & ASKS_FOR_START)) return undefined
  const asked = (bit: number) => (mask & bit) !== 0
  const netmap = asked(WATCH.initialNetmap) && !asked(WATCH.noNetmap) ? view.netmap : undefined
  return notifyLine(
    version,
    {
      ...(asked(WATCH.initialState) ? { state: view.state } : {}),
      ...(asked(WATCH.initialState) && view.authUrl !== '' ? { browseToUrl: view.authUrl } : {}),
      ...(asked(WATCH.initialPrefs) ? { prefs } : {}),
      ...(asked(WATCH.initialNetmap) && view.netmap !== undefined ? { self: view.netmap.fields.self } : {}),
      ...(asked(WATCH.initialHealth) ? { health } : {}),
      ...(asked(WATCH.initialClientVersion) && clientVersion !== undefined ? { clientVersion } : {}),
    },
    {
      ...(asked(WATCH.initialState) ? { SessionID: sessionId } : {}),
      ...(asked(WATCH.initialStatus) ? { InitialStatus: statusJson(view) } : {}),
      ...(netmap === undefined ? {} : { NetMap: netmapJson(netmap, view.relays, view.relayScores) }),
    },
  )
}
