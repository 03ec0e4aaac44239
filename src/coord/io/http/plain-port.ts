/**
 * What is answered in clear text where everything else speaks TLS: proofs for the authority that gives certificates,
 * the check by which clients look for captive portals, and for everybody else the way to the other port.
 *
 * Clients' control connections are taken here as well, by whoever wires this to the listener: Noise protects them.
 */

import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { refuse, respond, TEXT } from './respond.ts'

export interface PlainPort {
  /** The origin that clients use. */
  url(): string
  /** What the authority finds under a token, while it may look for it. */
  proof(token: string): string | undefined
  /** Why there is no certificate that anybody trusts; `undefined` when there is one. */
  missing(): string | undefined
  /** Why a request for `/ts2021` was not upgraded. */
  upgradeFault(req: IncomingMessage): string
}

const PROOFS = '/.well-known/acme-challenge/'
const CHALLENGE = /^[A-Za-z0-9.\-_:]{1,64}$/

export function createPlainPort(port: PlainPort): RequestListener {
  return (req: IncomingMessage, res: ServerResponse) => {
    const target = req.url ?? ''
    const [path = ''] = target.split('?', 1)
    if (path === '/ts2021') return refuse(res, 400, port.upgradeFault(req))
    if (req.method !== 'GET' && req.method !== 'HEAD')
      return refuse(res, 405, `this is for reading only: use ${port.url()}`, {
        connection: 'close',
        allow: 'GET, HEAD',
      })
    if (path.startsWith(PROOFS)) {
      const proof = port.proof(path.slice(PROOFS.length))
      if (proof === undefined) return refuse(res, 404, 'no proof is being asked for under this name')
      return respond(res, 200, 'application/octet-stream', proof, { 'cache-control': 'no-store' })
    }
    if (path === '/generate_204') {
      const challenge = req.headers['x-tailscale-challenge']
      const known = typeof challenge === 'string' && CHALLENGE.test(challenge)
      res.writeHead(204, known ? { 'x-tailscale-response': `response ${challenge}` } : {}).end()
      return
    }
    const missing = port.missing()
    if (missing !== undefined) return respond(res, 503, TEXT, `${missing}\n`, { 'cache-control': 'no-store' })
    // Only what is a path is taken over: "//other.example" and whole addresses would lead elsewhere.
    const goes = /^\/(?!\/)[\x21-\x7e]*$/.test(target) ? target : '/'
    // Not for ever: whoever turns TLS off again finds nobody who was told to stay away.
    respond(res, 307, TEXT, `This is at ${port.url()}\n`, {
      location: `${port.url()}${goes}`,
      'cache-control': 'no-store',
    })
  }
}
