/**
 * The one class of error that Sett throws on purpose, with a closed list of codes.
 *
 * Outcomes that a caller must act on are values, not errors. A stranger's malformed bytes are not errors
 * either: decoders return `undefined`. What remains ends the work at hand, and the message says what was
 * attempted, what is wrong and what to do.
 */

export type ErrorCode =
  | 'key/malformed'
  | 'address/malformed'
  | 'name/malformed'
  | 'json/malformed'
  | 'noise/failed'
  | 'h2/protocol'
  | 'derp/protocol'
  | 'config/invalid'
  | 'store/unavailable'
  | 'store/full'
  | 'store/schema'
  | 'store/corrupt'
  | 'api/refused'
  | 'api/unreachable'
  | 'input/invalid'
  | 'system/refused'
  | 'internal'

export class MeshError extends Error {
  override readonly name = 'MeshError'
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}
