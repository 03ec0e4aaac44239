/** Hardware attestation keys: points of P-256, uncompressed, which must lie on the curve. (control.md §1) */

export type AttestationKey = `hwattestpub:${string}`

const PREFIX = 'hwattestpub:'
const FORM = /^hwattestpub:04([0-9a-f]{64})([0-9a-f]{64})$/

/** The field of P-256 and its `b` (FIPS 186-4 D.1.2.3); its `a` is -3. */
const P = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn
const B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn

/** The key in lower case; `''` for the empty text, which says that there is none; `undefined` for anything else. */
export function readAttestationKey(text: string): AttestationKey | '' | undefined {
  if (text === '') return ''
  if (!text.startsWith(PREFIX)) return undefined
  const key = text.toLowerCase()
  const m = FORM.exec(key)
  if (m === null) return undefined
  const [x, y] = [BigInt(`0x${m[1]}`), BigInt(`0x${m[2]}`)]
  const onCurve = x < P && y < P && (y * y - (x * x * x - 3n * x + B)) % P === 0n
  return onCurve ? (key as AttestationKey) : undefined
}
