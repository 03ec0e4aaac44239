/**
 * The logins that a node keeps, one of which is in use, each with its preferences and keys (node.md §12). Pure: what
 * has to be kept comes out as writes to the state file. How a profile reads there is profile-json.ts.
 *
 * A profile is kept from the moment a server has accepted its key; until then it is new, and nobody's.
 */

import { hex, sameSecret, textOf, utf8 } from '../../base/bytes.ts'
import type { Bytes, Dice } from '../../base/bytes.ts'
import { formatTime } from '../../base/clock.ts'
import type { Wall } from '../../base/clock.ts'
import type { PrivateKey } from '../../base/keys.ts'
import type { LockPrivateKey } from '../../base/lock-private-key.ts'
import { sameJson } from '../../base/same-json.ts'
import type { UserProfile } from '../../wire/map-response.ts'
import { decodeProfile, decodeProfiles, encodeProfile, encodeProfiles, NOBODY } from './profile-json.ts'
import { DEFAULT_PREFS } from './prefs.ts'
import type { Prefs } from './prefs.ts'
import { CURRENT_PROFILE, PROFILES } from './state.ts'
import type { State, StateWrites } from './state.ts'

/** What is told of a login: who, where, and what it is called. */
export interface LoginProfile {
  /** 4 hex digits; empty: new, and not kept yet. */
  readonly ID: string
  /** The user's login name, unless somebody has given another. */
  readonly Name: string
  readonly NetworkProfile: {
    readonly MagicDNSName: string
    readonly DomainName: string
    readonly DisplayName: string
  }
  /** Of its preferences in the state file: `profile-` and the ID. */
  readonly Key: string
  readonly UserProfile: UserProfile
  /** Stable ID of the node. */
  readonly NodeID: string
  /** For systems where each user has a login of their own: empty on Linux. */
  readonly LocalUserID: string
  readonly ControlURL: string
  /** RFC 3339. */
  readonly Created?: string
}

/** The secret part of a profile, and whose it is. */
export interface Login {
  /** Accepted by the server. */
  readonly nodeKey?: PrivateKey
  /** The one before. */
  readonly oldNodeKey?: PrivateKey
  readonly lockKey?: LockPrivateKey
  readonly user: UserProfile
  readonly nodeId: string
}

const NO_LOGIN: Login = { user: NOBODY, nodeId: '' }
const NEW: LoginProfile = {
  ID: '',
  Name: '',
  NetworkProfile: { MagicDNSName: '', DomainName: '', DisplayName: '' },
  Key: '',
  UserProfile: NOBODY,
  NodeID: '',
  LocalUserID: '',
  ControlURL: '',
}
/** Nobody has logged in yet: the node waits for somebody to. */
const NEW_PREFS: Prefs = { ...DEFAULT_PREFS, LoggedOut: true }

interface Kept {
  readonly profile: LoginProfile
  readonly prefs: Prefs
  readonly login: Login
}

export class Profiles {
  readonly #dice: Dice
  readonly #inForce: (prefs: Prefs) => Prefs
  readonly #kept = new Map<string, Kept>()
  #current: Kept = { profile: NEW, prefs: NEW_PREFS, login: NO_LOGIN }

  /**
   * @param inForce what is left of preferences that this machine's owner bounds
   * @throws MeshError `store/corrupt`: a damaged profile must not become a new node by itself
   */
  constructor(state: State, dice: Dice, inForce: (prefs: Prefs) => Prefs = (prefs) => prefs) {
    this.#dice = dice
    this.#inForce = inForce
    const listed = state.get(PROFILES)
    for (const profile of listed === undefined ? [] : decodeProfiles(listed)) {
      const bytes = state.get(profile.Key)
      // Listed first, written next: a profile without preferences was never whole.
      if (profile.ID !== '' && bytes !== undefined) this.#kept.set(profile.ID, { profile, ...decodeProfile(bytes) })
    }
    const key = textOf(state.get(CURRENT_PROFILE) ?? utf8(''))
    for (const kept of this.#kept.values()) if (kept.profile.Key === key) this.#current = kept
  }

  /** By name. */
  get all(): readonly LoginProfile[] {
    return [...this.#kept.values()].map(({ profile }) => profile).sort((a, b) => (a.Name < b.Name ? -1 : 1))
  }

  get current(): LoginProfile {
    return this.#current.profile
  }

  /** Those in force of the current profile, with what may be shown of its login. */
  get prefs(): Prefs {
    const { prefs, login, profile } = this.#current
    return {
      ...this.#inForce(prefs),
      Config: profile.ID === '' ? null : { UserProfile: login.user, NodeID: login.nodeId },
    }
  }

  /** Keys of the current profile. */
  get login(): Login {
    return this.#current.login
  }

  /** Names that the current profile can't have. */
  get otherNames(): readonly string[] {
    return this.all.filter(({ ID }) => ID !== this.current.ID).map(({ Name }) => Name)
  }

  has(id: string): boolean {
    return this.#kept.has(id)
  }

  setPrefs(prefs: Prefs): StateWrites {
    const { profile } = this.#current
    const name = prefs.ProfileName === '' ? profile.UserProfile.LoginName : prefs.ProfileName
    return this.#put({
      ...this.#current,
      prefs: { ...prefs, Config: null },
      profile: { ...profile, Name: name, ControlURL: prefs.ControlURL },
    })
  }

  /** A lock key for the current profile, made by the caller. */
  setLockKey(lockKey: LockPrivateKey): StateWrites {
    return this.#put({ ...this.#current, login: { ...this.#current.login, lockKey } })
  }

  /** A server has accepted this key, for this user. From now on the profile is kept. */
  setKeys(nodeKey: PrivateKey, user: UserProfile, now: Wall): StateWrites {
    const { profile, prefs, login } = this.#current
    // A tagged node's registration names nobody; who logged in before stays in the name.
    const known = user.LoginName === '' ? login.user : user
    const id = profile.ID === '' ? this.#newId() : profile.ID
    const same = login.nodeKey !== undefined && sameSecret(login.nodeKey.reveal(), nodeKey.reveal())
    const old = same ? login.oldNodeKey : login.nodeKey
    return this.#put({
      profile: {
        ...profile,
        ID: id,
        Key: `profile-${id}`,
        Name: prefs.ProfileName === '' ? known.LoginName : prefs.ProfileName,
        UserProfile: known,
        ControlURL: prefs.ControlURL,
        Created: profile.Created ?? formatTime(now),
      },
      prefs: { ...prefs, LoggedOut: false },
      login: { ...login, nodeKey, ...(old === undefined ? {} : { oldNodeKey: old }), user: known },
    })
  }

  /**
   * What the first map of a login tells. Another profile of the same node is one that was logged in anew: it goes.
   *
   * @param user of the node, as the map shows it
   */
  setNetwork(nodeId: string, user: UserProfile | undefined, magicDnsName: string, domain: string): StateWrites {
    const { profile, login, prefs } = this.#current
    if (profile.ID === '') return new Map()
    const known = user ?? login.user
    const next: Kept = {
      prefs,
      login: { ...login, user: known, nodeId },
      profile: {
        ...profile,
        NodeID: nodeId,
        UserProfile: known,
        Name: prefs.ProfileName === '' ? known.LoginName : prefs.ProfileName,
        NetworkProfile: { ...profile.NetworkProfile, MagicDNSName: magicDnsName, DomainName: domain },
      },
    }
    if (login.nodeId === nodeId && sameJson([next.profile, known], [profile, login.user])) return new Map()
    const twins = [...this.#kept.values()].filter(
      ({ profile: { ID, NodeID, ControlURL } }) =>
        ID !== profile.ID && NodeID === nodeId && nodeId !== '' && ControlURL === profile.ControlURL,
    )
    for (const { profile: twin } of twins) this.#kept.delete(twin.ID)
    const writes = new Map(this.#put(next))
    for (const { profile: twin } of twins) writes.set(twin.Key, null)
    return writes
  }

  /**
   * The node has logged out: its profile goes, and a new one is in use. A login that has only begun ends; where there
   * is not even that, nothing changes.
   */
  loggedOut(): StateWrites {
    const { profile, prefs, login } = this.#current
    if (login.nodeKey !== undefined) return this.remove(profile.ID)
    if (prefs.LoggedOut && !prefs.WantRunning) return new Map()
    return profile.ID === '' ? this.#begin() : this.forgetKeys()
  }

  /** The keys are gone, the preferences stay: somebody has to log in again. */
  forgetKeys(): StateWrites {
    const { prefs, login, profile } = this.#current
    const { lockKey } = login
    return this.#put({
      profile,
      prefs: { ...prefs, WantRunning: false, LoggedOut: true },
      login: { ...(lockKey === undefined ? {} : { lockKey }), user: login.user, nodeId: '' },
    })
  }

  /** Begins a new profile; the others stay. */
  begin(): StateWrites {
    return this.#begin()
  }

  /** Uses another profile. There must be one of that ID. */
  use(id: string): StateWrites {
    const kept = this.#kept.get(id)
    if (kept === undefined) return new Map()
    this.#current = kept
    return new Map([[CURRENT_PROFILE, utf8(kept.profile.Key)]])
  }

  /** Deletes a profile; if it is the current one, a new one is in use. */
  remove(id: string): StateWrites {
    const kept = this.#kept.get(id)
    if (kept === undefined) return new Map()
    this.#kept.delete(id)
    const writes = new Map<string, Bytes | null>([
      [PROFILES, encodeProfiles(this.all)],
      [kept.profile.Key, null],
    ])
    if (this.current.ID === id) for (const [key, value] of this.#begin()) writes.set(key, value)
    return writes
  }

  #begin(): StateWrites {
    this.#current = { profile: NEW, prefs: NEW_PREFS, login: NO_LOGIN }
    return new Map([[CURRENT_PROFILE, null]])
  }

  #put(kept: Kept): StateWrites {
    this.#current = kept
    const { ID, Key } = kept.profile
    if (ID === '') return new Map()
    this.#kept.set(ID, kept)
    return new Map([
      [PROFILES, encodeProfiles(this.all)],
      [CURRENT_PROFILE, utf8(Key)],
      [Key, encodeProfile(kept.prefs, kept.login)],
    ])
  }

  #newId(): string {
    for (;;) {
      const id = hex(this.#dice(2))
      if (!this.#kept.has(id)) return id
    }
  }
}
