/** Cuts the address of a collector into its parts. It has neither user nor fragment: that is seen when it is set. */

export interface Address {
  /** `https://HOST[:PORT]`. */
  readonly origin: string
  /** As requests name it: without the port that the scheme means anyhow. */
  readonly host: string
  /** From its slash on; empty: there is none. */
  readonly path: string
  /** From its question mark on; may be empty. */
  readonly query: string
}

export function cutAddress(text: string): Address {
  const [, scheme = '', host = '', path = '', query = ''] = /^(\w+):\/\/([^/?]*)([^?]*)(.*)$/.exec(text) ?? []
  const usual = scheme.toLowerCase() === 'https' ? ':443' : ':80'
  return {
    origin: `${scheme}://${host}`,
    host: (host.endsWith(usual) ? host.slice(0, -usual.length) : host).toLowerCase(),
    path,
    query,
  }
}
