/** Carries the client's requests to a URL, and says in our own words why one cannot be reached. */

import { MeshError } from '../../base/errors.ts'
import type { Fetch } from '../../sdk/client.ts'

export function urlFetch(origin: string): Fetch {
  return async (url, request) => {
    try {
      return await fetch(url, request)
    } catch (error) {
      const why = whyNot(origin, error)
      if (why === undefined) throw error
      throw new MeshError('api/unreachable', `Cannot reach the server at ${origin}: ${why}`, { cause: error })
    }
  }
}

/** `undefined` where the system says it well itself. */
function whyNot(origin: string, error: unknown): string | undefined {
  const { cause } = error as Error
  const { code = '', message } = (cause ?? error) as NodeJS.ErrnoException
  const { port, protocol, host } = new URL(origin)
  // The one error that comes without a code.
  if (message === 'bad port') return `HTTP clients do not use port ${port}, which belongs to another service`
  if (/^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST)$/.test(code) && protocol === 'https:')
    return `it does not speak TLS; use http://${host}`
  if (code === 'UND_ERR_SOCKET' || code === 'ECONNRESET')
    return `it closed the connection${protocol === 'http:' ? `; if it speaks TLS, use https://${host}` : ''}`
  if (code === 'ECONNREFUSED') return 'nobody listens there'
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'its name is not known'
  if (code === 'DEPTH_ZERO_SELF_SIGNED_CERT' || code.startsWith('UNABLE_TO_'))
    return 'this machine does not trust its certificate'
  return undefined
}
