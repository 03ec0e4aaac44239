/**
 * What a node says to the coordination server: the bodies of `/machine/register` and `/machine/map` as clients write
 * them (control.md §4.1, §5.1), and the answer to the former (§4.2). The server's side is register.ts and
 * map-request.ts.
 */

import { utf8 } from '../base/bytes.ts'
import type { Bytes } from '../base/bytes.ts'
import { formatTime, ZERO_TIME } from '../base/clock.ts'
import type { Wall } from '../base/clock.ts'
import { readFields, readObject } from '../base/go-json.ts'
import type { JsonReader } from '../base/go-json.ts'
import { ZERO_NODE_KEY } from '../base/keys.ts'
import type { DiscoKey, LockKey, NodeKey } from '../base/keys.ts'
import type { Secret } from '../base/secret.ts'
import type { Hostinfo } from './hostinfo.ts'

export interface RegisterBody {
  readonly version: number
  readonly nodeKey: NodeKey
  readonly oldNodeKey?: NodeKey
  readonly lockKey: LockKey
  readonly authKey?: Secret
  /** In the past: log out. */
  readonly expiry?: Wall
  /** The link of an earlier answer: hold the request until that login is decided. */
  readonly followup?: string
  readonly hostinfo: Hostinfo
  readonly ephemeral?: boolean
  readonly tailnet?: string
}

export function encodeRegisterRequest(body: RegisterBody): Uint8Array<ArrayBuffer> {
  return utf8(
    JSON.stringify({
      Version: body.version,
      NodeKey: body.nodeKey,
      OldNodeKey: body.oldNodeKey ?? ZERO_NODE_KEY,
      NLKey: body.lockKey,
      ...(body.authKey === undefined ? {} : { Auth: { AuthKey: body.authKey.reveal() } }),
      Expiry: body.expiry === undefined ? ZERO_TIME : formatTime(body.expiry),
      Followup: body.followup ?? '',
      Hostinfo: body.hostinfo,
      ...(body.ephemeral === true ? { Ephemeral: true } : {}),
      NodeKeySignature: null,
      ...(body.tailnet === undefined ? {} : { Tailnet: body.tailnet }),
    }),
  )
}

/** Where an address comes from. (control.md §5.1) */
export const ENDPOINT_TYPE = {
  unknown: 0,
  local: 1,
  stun: 2,
  portMapped: 3,
  stunLocalPort: 4,
  configured: 5,
} as const

export type EndpointType = keyof typeof ENDPOINT_TYPE

export interface Endpoint {
  /** `ip:port`. */
  readonly address: string
  readonly type: EndpointType
}

export interface MapBody {
  readonly version: number
  readonly nodeKey: NodeKey
  readonly discoKey: DiscoKey
  /** A map stream; otherwise a report of how the node is, which no map answers. */
  readonly stream: boolean
  readonly hostinfo: Hostinfo
  readonly endpoints: readonly Endpoint[]
  readonly debugFlags?: readonly string[]
}

export function encodeMapRequest(body: MapBody): Uint8Array<ArrayBuffer> {
  const { endpoints, debugFlags = [] } = body
  return utf8(
    JSON.stringify({
      Version: body.version,
      Compress: 'zstd',
      KeepAlive: true,
      NodeKey: body.nodeKey,
      DiscoKey: body.discoKey,
      ...(body.stream ? { Stream: true } : {}),
      Hostinfo: body.hostinfo,
      ...(endpoints.length === 0
        ? {}
        : {
            Endpoints: endpoints.map((endpoint) => endpoint.address),
            EndpointTypes: endpoints.map((endpoint) => ENDPOINT_TYPE[endpoint.type]),
          }),
      ...(body.stream ? {} : { OmitPeers: true }),
      ...(debugFlags.length === 0 ? {} : { DebugFlags: debugFlags }),
    }),
  )
}

export interface LoginProfile {
  readonly id: number
  readonly loginName: string
  readonly displayName: string
  readonly pictureUrl: string
}

export interface RegisterAnswer {
  readonly error: string
  readonly authUrl: string
  readonly nodeKeyExpired: boolean
  readonly machineAuthorized: boolean
  /** To be signed again: the tailnet is locked. */
  readonly nodeKeySignature: Uint8Array
  readonly login: LoginProfile
}

/** Longest answer to a registration, in bytes. (control.md §4.2) */
export const REGISTER_ANSWER_MAX = 1 << 20

const readProfile: JsonReader<LoginProfile> = (value, path) => {
  const fields = readFields(value, path)
  return {
    id: fields.int('ID'),
    loginName: fields.text('LoginName'),
    displayName: fields.text('DisplayName'),
    pictureUrl: fields.text('ProfilePicURL'),
  }
}

/** Throws `json/malformed`. */
export function readRegisterResponse(body: Bytes): RegisterAnswer {
  const fields = readObject(body, { what: 'RegisterResponse', maxLength: REGISTER_ANSWER_MAX })
  const user = fields.optional('User', readProfile)
  const login = fields.optional('Login', readProfile)
  return {
    error: fields.text('Error'),
    authUrl: fields.text('AuthURL'),
    nodeKeyExpired: fields.bool('NodeKeyExpired'),
    machineAuthorized: fields.bool('MachineAuthorized'),
    nodeKeySignature: fields.bytes('NodeKeySignature'),
    login: {
      id: user?.id || (login?.id ?? 0),
      loginName: login?.loginName ?? '',
      displayName: user?.displayName || (login?.displayName ?? ''),
      pictureUrl: user?.pictureUrl || (login?.pictureUrl ?? ''),
    },
  }
}
