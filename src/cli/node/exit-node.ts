/** The exit node that somebody means: by address, by name, or `auto:any`. */

import { trimDnsSuffix } from '../../base/dns-name.ts'
import { MeshError } from '../../base/errors.ts'
import { canonicalIp } from '../../base/ip.ts'
import type { Prefs, Status } from '../../sdk/local-client-types.ts'
import { quote } from './go-words.ts'
import { peersOf, withAddress } from './peers.ts'

/** Preferences that make it so; none for the empty text. @throws MeshError `input/invalid` */
export function exitNodePrefs(text: string, status: Status): Pick<Prefs, 'ExitNodeIP' | 'AutoExitNode'> | undefined {
  if (text === '') return undefined
  if (/^auto:./s.test(text)) return { ExitNodeIP: '', AutoExitNode: text.slice('auto:'.length) }
  const ip = canonicalIp(text)
  if (ip === undefined) return { ExitNodeIP: byName(text, status) }
  refuseOwn(text, ip, status)
  if (status.BackendState === 'Running') {
    const peer = withAddress(status, ip)
    if (peer === undefined) throw wrong(`no node found in netmap with IP ${ip}`)
    if (!peer.ExitNodeOption) throw wrong(`node ${ip} is not advertising an exit node`)
  }
  return { ExitNodeIP: ip }
}

function byName(text: string, status: Status): string {
  const peers = peersOf(status)
  if (peers.length === 0 && status.BackendState === 'Running')
    throw wrong(`no peer is known by the name ${quote(text)}, nor any other peer; see "sett status"`)
  if (peers.length === 0)
    throw wrong(
      'cannot resolve exit node by hostname while Tailscale is starting up; please use its Tailscale IP address instead',
    )
  const meant = text.toLowerCase()
  const found = peers.filter(({ DNSName }) =>
    [trimDnsSuffix(DNSName, status.MagicDNSSuffix), DNSName, DNSName.replace(/\.$/, '')].some(
      (name) => name.toLowerCase() === meant,
    ),
  )
  const [peer] = found
  if (peer === undefined) throw wrong(`invalid value ${quote(text)} for --exit-node; must be IP or peer hostname`)
  if (found.length > 1) throw wrong(`ambiguous exit node name ${quote(text)}`)
  const [ip] = peer.TailscaleIPs ?? []
  if (ip === undefined) throw wrong(`node ${quote(text)} has no Tailscale IP?`)
  if (!peer.ExitNodeOption) throw wrong(`node ${quote(text)} is not advertising an exit node`)
  refuseOwn(text, ip, status)
  return ip
}

function refuseOwn(text: string, ip: string, status: Status): void {
  if (status.TailscaleIPs?.includes(ip) === true)
    throw wrong(
      `cannot use ${text} as an exit node as it is a local IP address to this machine; did you mean --advertise-exit-node?`,
    )
}

/** The address of the exit node in use, where the preferences have only its id. */
export function currentExitNode(prefs: Prefs, status: Status): string {
  if (prefs.ExitNodeIP !== '') return prefs.ExitNodeIP
  if (prefs.ExitNodeID === '') return ''
  return peersOf(status).find(({ ID }) => ID === prefs.ExitNodeID)?.TailscaleIPs?.[0] ?? ''
}

function wrong(message: string): MeshError {
  return new MeshError('input/invalid', message)
}
