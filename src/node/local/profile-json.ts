/** Profiles and their keys as the state file holds them (node.md §11, §12). Text from here goes nowhere else. */

import { textOf, utf8 } from '../../base/bytes.ts'
import type { Bytes } from '../../base/bytes.ts'
import { MeshError } from '../../base/errors.ts'
import { mapOf, readFields, readObject } from '../../base/go-json.ts'
import type { Fields, JsonReader } from '../../base/go-json.ts'
import { PrivateKey } from '../../base/keys.ts'
import { LockPrivateKey } from '../../base/lock-private-key.ts'
import type { UserProfile } from '../../wire/map-response.ts'
import { readPrefs, settingsJson } from './prefs-json.ts'
import type { Prefs } from './prefs.ts'
import type { Login, LoginProfile } from './profiles.ts'

const ZERO_KEY = `privkey:${'0'.repeat(64)}`
const ZERO_LOCK_KEY = `nlpriv:${'0'.repeat(128)}`
const MAX_LENGTH = 4 << 20

export const NOBODY: UserProfile = { ID: 0, LoginName: '', DisplayName: '' }

export function encodeProfiles(profiles: Iterable<LoginProfile>): Uint8Array<ArrayBuffer> {
  return utf8(JSON.stringify(Object.fromEntries([...profiles].map((profile) => [profile.ID, profile]))))
}

/** Throws MeshError `store/corrupt`. */
export function decodeProfiles(bytes: Bytes): LoginProfile[] {
  return intact('the list of profiles', () => {
    const text = textOf(bytes) ?? ''
    readObject(text, { what: 'profiles', maxLength: MAX_LENGTH })
    return [...mapOf(readProfile)(JSON.parse(text), 'profiles').values()]
  })
}

export function encodeProfile(prefs: Prefs, login: Login): Uint8Array<ArrayBuffer> {
  return utf8(
    JSON.stringify({
      ...settingsJson(prefs),
      Config: {
        PrivateNodeKey: login.nodeKey?.revealText() ?? ZERO_KEY,
        OldPrivateNodeKey: login.oldNodeKey?.revealText() ?? ZERO_KEY,
        UserProfile: login.user,
        NetworkLockKey: login.lockKey?.revealText() ?? ZERO_LOCK_KEY,
        NodeID: login.nodeId,
      },
    }),
  )
}

/** Throws MeshError `store/corrupt`. */
export function decodeProfile(bytes: Bytes): { readonly prefs: Prefs; readonly login: Login } {
  return intact('a profile', () => {
    const prefs = readPrefs(bytes)
    const config = readObject(bytes, { what: 'profile', maxLength: MAX_LENGTH }).object('Config')
    const nodeKey = keyIn(config, 'PrivateNodeKey')
    const oldNodeKey = keyIn(config, 'OldPrivateNodeKey')
    const lockText = config?.text('NetworkLockKey') ?? ''
    const hasLock = lockText !== '' && !/^nlpriv:0*$/.test(lockText)
    return {
      prefs,
      login: {
        ...(nodeKey === undefined ? {} : { nodeKey }),
        ...(oldNodeKey === undefined ? {} : { oldNodeKey }),
        ...(hasLock ? { lockKey: LockPrivateKey.parse(lockText) } : {}),
        user: config?.optional('UserProfile', readUser) ?? NOBODY,
        nodeId: config?.text('NodeID') ?? '',
      },
    }
  })
}

function keyIn(config: Fields | undefined, name: string): PrivateKey | undefined {
  const text = config?.text(name) ?? ''
  return text === '' || /^privkey:0*$/.test(text) ? undefined : PrivateKey.parse(text)
}

const readUser: JsonReader<UserProfile> = (value, path) => {
  const fields = readFields(value, path)
  const picture = fields.text('ProfilePicURL')
  return {
    ID: fields.int('ID'),
    LoginName: fields.text('LoginName'),
    DisplayName: fields.text('DisplayName'),
    ...(picture === '' ? {} : { ProfilePicURL: picture }),
  }
}

const readProfile: JsonReader<LoginProfile> = (value, path) => {
  const fields = readFields(value, path)
  const network = fields.object('NetworkProfile')
  const created = fields.text('Created')
  return {
    ID: fields.text('ID'),
    Name: fields.text('Name'),
    NetworkProfile: {
      MagicDNSName: network?.text('MagicDNSName') ?? '',
      DomainName: network?.text('DomainName') ?? '',
      DisplayName: network?.text('DisplayName') ?? '',
    },
    Key: fields.text('Key'),
    UserProfile: fields.optional('UserProfile', readUser) ?? NOBODY,
    NodeID: fields.text('NodeID'),
    LocalUserID: fields.text('LocalUserID'),
    ControlURL: fields.text('ControlURL'),
    ...(created === '' ? {} : { Created: created }),
  }
}

function intact<T>(what: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw new MeshError('store/corrupt', `Cannot read the state file: ${what} is damaged`, { cause })
  }
}
