/** HTTP/2 as a pure machine, server and client: what the rest of the system uses of it. */

export { H2Client } from './client.ts'
export type { ClientRequest, H2ClientEvent, ResponseEvent } from './client.ts'
export type { H2Code } from './codes.ts'
export type { Field } from './hpack.ts'
export { DEFAULT_LIMITS } from './limits.ts'
export type { CommonEvent, H2Limits } from './limits.ts'
export { H2Server } from './server.ts'
export type { H2ServerEvent, RequestEvent } from './server.ts'
