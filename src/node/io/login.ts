/**
 * The current login and its control session: keys go to the state file before anything is done with them, the map to a
 * file beside it. Who follows the map is live-node.ts.
 */

import { generateKeyPairSync } from 'node:crypto'
import { sameSecret } from '../../base/bytes.ts'
import { LockPrivateKey } from '../../base/lock-private-key.ts'
import type { Clocks } from '../../base/clock.ts'
import type { DiscoKey, NodeKey, PrivateKey } from '../../base/keys.ts'
import type { Secret } from '../../base/secret.ts'
import { nodeKeyFor } from '../../crypto/primitives.ts'
import type { Primitives } from '../../crypto/primitives.ts'
import type { Hostinfo } from '../../wire/hostinfo.ts'
import type { MapResponse } from '../../wire/map-response.ts'
import type { ControlAction, ControlState, Now } from '../control/actions.ts'
import type { NetworkMap } from '../control/netmap.ts'
import { ControlSession } from '../control/session.ts'
import type { Profiles } from '../local/profiles.ts'
import { ControlShell } from './control-shell.ts'
import type { OwnerAction } from './control-shell.ts'
import { unzstd, zstd } from './control-zstd.ts'
import { MapFile } from './map-file.ts'
import type { StateStore } from './state-file.ts'

/** Where the official service is, for whoever has named no server. */
const DEFAULT_SERVER = 'https://controlplane.tailscale.com'

export interface LoginOptions {
  readonly primitives: Primitives
  readonly clocks: Clocks
  readonly store: StateStore
  readonly profiles: Profiles
  readonly machineKey: PrivateKey
  readonly discoKey: () => DiscoKey
  /** Where the last map is kept. */
  readonly mapFile: string
  /** What packets to the server are marked with, so that they stay out of the tunnel. */
  readonly mark: number
  /** What of the server's messages counts on this machine. */
  readonly believed: (message: MapResponse) => MapResponse
  readonly hostinfo: () => Hostinfo
  readonly log: (line: string) => void
  /** What must outlive this process can not be kept. */
  readonly unkept: (why: string) => void
  /** Actions that are neither keys nor cache; keys and `keys-gone` come after they have been kept. */
  readonly on: (action: OwnerAction) => void
}

const AT_REST: ControlState = { phase: 'stopped', online: false }

export class Login {
  readonly #options: LoginOptions
  readonly #file: MapFile
  #session: ControlSession | undefined
  #shell: ControlShell | undefined
  #lastMap: NetworkMap | undefined
  #storeError: string | undefined
  /** Making a public key is costly. */
  #known: { readonly nodeKey: PrivateKey; readonly publicKey: NodeKey } | undefined

  constructor(options: LoginOptions) {
    this.#options = options
    this.#file = new MapFile(options.mapFile)
  }

  get state(): ControlState {
    return this.#session?.state ?? AT_REST
  }

  /** The map of the node that the current key makes; another key's is of no use. */
  get netmap(): NetworkMap | undefined {
    const map = this.#session?.netmap
    return map?.fields.self.Key === this.publicKey ? map : undefined
  }

  /** What the last session's map was when it ended: to show, and nothing else. */
  get lastMap(): NetworkMap | undefined {
    return this.#lastMap?.fields.self.Key === this.publicKey ? this.#lastMap : undefined
  }

  get publicKey(): NodeKey | undefined {
    const { nodeKey } = this.#options.profiles.login
    if (nodeKey === undefined) return undefined
    if (this.#known?.nodeKey !== nodeKey)
      this.#known = { nodeKey, publicKey: nodeKeyFor(this.#options.primitives, nodeKey) }
    return this.#known.publicKey
  }

  get isBegun(): boolean {
    return this.#session !== undefined
  }

  /** Why what must be kept could not be, the last time that was tried. */
  get storeError(): string | undefined {
    return this.#storeError
  }

  /** Begins a session for the current profile; one that there was ends. */
  begin(authKey?: Secret): void {
    this.end()
    const { profiles, primitives, clocks, machineKey, discoKey, hostinfo, believed } = this.#options
    const { nodeKey, oldNodeKey } = profiles.login
    const lockKey = this.#lockKey()
    const cached = nodeKey === undefined ? undefined : this.#file.read()
    const session = new ControlSession({
      server: profiles.prefs.ControlURL === '' ? DEFAULT_SERVER : profiles.prefs.ControlURL,
      primitives,
      unzstd,
      zstd,
      machineKey,
      lockKey: lockKey.publicKey,
      discoKey: discoKey(),
      ...(nodeKey === undefined ? {} : { nodeKey }),
      ...(oldNodeKey === undefined ? {} : { oldNodeKey: nodeKeyFor(primitives, oldNodeKey) }),
      hostinfo: hostinfo(),
      believed,
      ...(authKey === undefined ? {} : { authKey }),
      ...(cached === undefined ? {} : { cached }),
    })
    this.#session = session
    this.#shell = new ControlShell(session, {
      clocks,
      mark: this.#options.mark,
      on: (action) => {
        if (this.#session === session) this.#take(action)
      },
    })
    this.run((session, now) => session.start(now))
  }

  run(input: (session: ControlSession, now: Now) => readonly ControlAction[]): void {
    this.#shell?.run(input)
  }

  /** Lets go of the server; the map stays as it is. */
  disconnect(): void {
    this.run((session, now) => session.stop(now))
  }

  /** Has the connections with the server end; they come back by themselves. */
  breakConnections(): void {
    this.#shell?.breakConnections()
  }

  /** Ends without a word to the server. */
  end(): void {
    this.#lastMap = this.netmap ?? this.#lastMap
    this.#shell?.run((session, now) => session.stop(now))
    this.#shell?.close()
    this.#shell = undefined
    this.#session = undefined
  }

  /** Nothing of the current login's map is of use to the next one. */
  forgetMap(): void {
    this.#lastMap = undefined
    this.#file.remove()
  }

  #take(action: OwnerAction): void {
    const { profiles, log, on, clocks } = this.#options
    switch (action.kind) {
      case 'keys': {
        const { id, loginName, displayName, pictureUrl } = action.login
        const user = { ID: id, LoginName: loginName, DisplayName: displayName, ProfilePicURL: pictureUrl }
        const { nodeKey } = profiles.login
        const isKept = nodeKey !== undefined && sameSecret(nodeKey.reveal(), action.nodeKey.reveal())
        this.write(() => profiles.setKeys(action.nodeKey, user, clocks.wall()))
        // A new key that is not kept would be a node more at every start.
        if (this.#storeError !== undefined && !isKept) return this.end()
        return on(action)
      }
      case 'keys-gone':
        this.write(() => profiles.loggedOut())
        this.forgetMap()
        return on(action)
      case 'cache': {
        const why = this.#file.write(action.how, action.bytes)
        if (why !== undefined) log(`the map is not kept: ${why}`)
        return
      }
      case 'cache-gone':
        return this.forgetMap()
      default:
        return on(action)
    }
  }

  /** Changes profiles, and keeps what that asks to be kept. A disk that fails is told, and shown as a state. */
  write(change: () => Parameters<StateStore['write']>[0]): void {
    const writes = change()
    try {
      this.#options.store.write(writes)
      this.#storeError = undefined
    } catch (error) {
      this.#storeError = (error as Error).message
      this.#options.log(this.#storeError)
      this.#options.unkept(this.#storeError)
    }
  }

  #lockKey(): LockPrivateKey {
    const { profiles } = this.#options
    const kept = profiles.login.lockKey
    if (kept !== undefined) return kept
    const { d = '', x = '' } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })
    const half = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64url'))
    const raw = new Uint8Array(64)
    raw.set(half(d), 0)
    raw.set(half(x), 32)
    const made = new LockPrivateKey(raw)
    this.write(() => profiles.setLockKey(made))
    return made
  }
}
