/**
 * The two sealed greetings of a relay connection: opening a client's, answering with ours. (derp.md §4.3)
 *
 * Opening ClientInfo is the only proof that a client holds its key.
 */

import type { Bytes } from '../../base/bytes.ts'
import { isZeroKey, nodeKeyOf } from '../../base/keys.ts'
import type { NodeKey, PrivateKey } from '../../base/keys.ts'
import { BOX_NONCE_LENGTH, boxKey, openWith, sealWith } from '../../crypto/box.ts'
import type { BoxKey } from '../../crypto/box.ts'
import type { Primitives } from '../../crypto/primitives.ts'
import { PROTOCOL_VERSION } from '../../wire/derp/frame.ts'
import { decodeClientInfo, encodeServerInfo } from '../../wire/derp/info.ts'
import type { ClientInfo } from '../../wire/derp/info.ts'
import { encodeServerMessage, splitClientInfo } from '../../wire/derp/messages.ts'

export interface Greeted {
  readonly key: NodeKey
  readonly raw: Uint8Array
  readonly info: ClientInfo
  /** Shared with this client; the answer is sealed under it. */
  readonly shared: BoxKey
}

/** Opens the body of a ClientInfo frame; `undefined` when it proves nothing or can't be read. */
export function openClientInfo(p: Primitives, own: PrivateKey, body: Bytes): Greeted | undefined {
  const parts = splitClientInfo(body)
  if (parts === undefined) return undefined
  const key = nodeKeyOf(parts.key)
  if (isZeroKey(key)) return undefined
  const shared = boxKey(p, own, parts.key)
  const clear = shared === undefined ? undefined : openWith(shared, parts.sealed)
  if (shared === undefined || clear === undefined) return undefined
  const info = decodeClientInfo(clear)
  return info === undefined ? undefined : { key, raw: parts.key, info, shared }
}

/** The ServerInfo frame for a greeted client. The reference states no rates, and neither do we. */
export function sealServerInfo(p: Primitives, shared: BoxKey): Uint8Array {
  const clear = encodeServerInfo({ version: PROTOCOL_VERSION, bytesPerSecond: 0, burst: 0 })
  return encodeServerMessage({ kind: 'server-info', sealed: sealWith(shared, p.random(BOX_NONCE_LENGTH), clear) })
}
