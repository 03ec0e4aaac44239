/** Endpoints of the local API that only look: status, whois, maps, the notification bus (node.md §9). */

import { hex } from '../../base/bytes.ts'
import { ZERO_NODE_KEY } from '../../base/keys.ts'
import { Bus, maskRefusal } from './bus.ts'
import { json, nothing, refusal, text } from './exchange.ts'
import type { Call, Handler } from './exchange.ts'
import { derpMapJson, dnsJson } from './netmap-json.ts'
import { nodeJson, suffixOf } from './node-json.ts'
import { statusJson } from './status.ts'
import { findNode, readWhoisAddress, whoisJson } from './whois.ts'

export const status: Handler = ({ backend, request }) =>
  json(statusJson(backend.view(), request.query.get('peers') !== 'false'))

export const whois: Handler = ({ backend, request }) => {
  const address = request.query.get('addr') ?? ''
  if (address === '') return refusal(400, "missing 'addr' parameter")
  const who = readWhoisAddress(address)
  if (who === undefined) return refusal(400, "invalid 'addr' parameter")
  const view = backend.view()
  const node = findNode(view, who)
  if (node === undefined) return refusal(404, 'no match for IP:port')
  return json(whoisJson(view, node, 'ip' in who ? who.ip : undefined))
}

export const watchBus: Handler = ({ backend, request, random }) => {
  const asked = request.query.get('mask') ?? '0'
  const mask = /^\d{1,10}$/.test(asked) ? Number(asked) : NaN
  const refused = maskRefusal(mask)
  if (refused !== undefined) return refusal(400, refused)
  const bus: Bus = backend.bus
  const sessionId = hex(random(8))
  return {
    kind: 'stream',
    type: 'application/json',
    open: (send) => bus.watch({ mask, sessionId, send }, backend.busStart()),
  }
}

export const derpMap: Handler = ({ backend }) => {
  const { relays, relayScores } = backend.view()
  return json(derpMapJson(relays, relayScores))
}

export const dnsConfig: Handler = ({ backend }) => json(dnsJson(backend.view().netmap?.fields.dns ?? {}))

export const certDomains: Handler = ({ backend }) => json(backend.view().netmap?.fields.dns.CertDomains ?? [])

export const peerById: Handler = ({ backend, request }) => {
  const { netmap } = backend.view()
  const id = request.query.get('id') ?? ''
  if (!/^\d{1,16}$/.test(id)) return refusal(400, "invalid 'id' parameter")
  const self = netmap?.fields.self
  const node = self?.ID === Number(id) ? self : netmap?.peers.get(Number(id))
  return node === undefined ? refusal(404, 'no such peer') : json(nodeJson(node, suffixOf(self?.Name ?? '')))
}

export const userProfile: Handler = ({ backend, request }) => {
  const id = request.query.get('id') ?? ''
  if (!/^\d{1,16}$/.test(id)) return refusal(400, "invalid 'id' parameter")
  const profile = backend.view().netmap?.fields.profiles.get(Number(id))
  return profile === undefined ? refusal(404, 'no such user') : json(profile)
}

/** Tailnets whose keys are signed are not joined, so there is nothing to tell but our own keys. */
export const lockStatus: Handler = ({ backend }) => {
  const view = backend.view()
  return json({
    Enabled: false,
    Head: null,
    PublicKey: view.lockKey ?? `nlpub:${'0'.repeat(64)}`,
    NodeKey: view.netmap?.fields.self.Key ?? ZERO_NODE_KEY,
    NodeKeySigned: false,
    NodeKeySignature: null,
    TrustedKeys: null,
    VisiblePeers: null,
    FilteredPeers: null,
    StateID: 0,
  })
}

/** SHA-256 of `null`: nothing is served, and this is what one proves to know that with. */
const NOTHING_SERVED = '74234e98afe7498fb5daf1f36ac2d78acc339464f950703b8c019892f982b90b'
export const serveConfig: Handler = () => json(null, 200, { Etag: NOTHING_SERVED })

export const userMetrics: Handler = ({ backend }) =>
  text(backend.userMetrics(), 'text/plain;version=0.0.4;charset=utf-8')

export const ipForwarding: Handler = async ({ backend }) => json({ Warning: await backend.ipForwardingWarning() })

export const noWarning: Handler = () => json({ Warning: '' })

export const soMarkInUse: Handler = ({ backend }) => json({ UseSOMark: backend.view().tun })

export const suggestExitNode: Handler = ({ backend }) => json(backend.suggestExitNode())

export const noAppRoutes: Handler = () => json({})

/** By name; this version takes none from the map. */
export const noServices: Handler = () => json({})

/** The type is what official daemons say, too. */
export const updateCheck: Handler = () => text(`${JSON.stringify({ RunningLatest: true })}\n`)

/** Such words are taken and have no effect. */
export const ignored: Handler = () => nothing()

export const noFiles: Handler = ({ rest }) => (rest === '' ? json(null) : refusal(404, 'file not found'))

export const noShares: Handler = () =>
  refusal(
    403,
    'taildrive sharing not enabled, please add the attribute "drive:share" to this node in your ACLs\' "nodeAttrs" section',
  )

/** Text by which whoever reads a log finds the place: when, whose, and a number that is only here. */
export const bugReport: Handler = ({ backend, request, random }: Call) => {
  const now = new Date(backend.view().now).toISOString()
  const time = now.slice(0, 19).replace(/[-:T]/g, '')
  const marker = `BUG-${backend.logId}-${time}Z-${hex(random(8))}`
  backend.noteBugReport(marker, (request.query.get('note') ?? '').slice(0, 1_000))
  return text(`${marker}\n`)
}

export const systemDns: Handler = async ({ backend }) => {
  const dns = await backend.systemDns()
  if (dns === undefined) return refusal(500, 'getting OS base config is not supported')
  return json({ Nameservers: dns.nameservers, SearchDomains: dns.searchDomains, MatchDomains: dns.matchDomains })
}
