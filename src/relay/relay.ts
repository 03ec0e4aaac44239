/** What a program that runs or mounts a relay imports. */

export { startRelay } from './io/start.ts'
export type { Relay, RelayMetrics, RelayOptions } from './io/start.ts'
export { keepCertificate, readCertificate } from './io/keep-certificate.ts'
export { makeSelfSigned, pinOf } from './io/certificate.ts'
export type { CertifiedKey } from './io/certificate.ts'
export type { Admission } from './hub/hub.ts'
