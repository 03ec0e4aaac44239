/** The relay's door: what a program that mounts one imports. */

export { keepCertificate } from './io/keep-certificate.ts'
export { startRelay } from './io/start.ts'
export { startStun } from './io/stun.ts'
export type { StunServer } from './io/stun.ts'
