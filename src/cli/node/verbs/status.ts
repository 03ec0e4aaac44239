/** `sett status`: the node and its peers as a table, or the daemon's whole answer as JSON. */

import { MeshError } from '../../../base/errors.ts'
import { readStatus } from '../../../sdk/local-client.ts'
import type { PeerStatus, Status } from '../../../sdk/local-client-types.ts'
import { alignColumns } from '../columns.ts'
import { Exit } from '../command.ts'
import type { Command, Context } from '../command.ts'
import { bool } from '../flags.ts'
import { goJson, indentJson } from '../json-text.ts'
import { plainly } from '../no-daemon.ts'
import { comparePeers, lastSeen, ownerOf, peersOf, shortName, whyNotRunning } from '../peers.ts'
import { quote } from '../go-words.ts'
import { plain } from '../../plain.ts'

/** Rented exit nodes that are told of elsewhere, since there are hundreds. */
const RENTED_SUFFIX = 'mullvad.ts.net.'

export const status: Command = {
  name: 'status',
  usage: 'sett status [--active] [--json]',
  short: 'Show state of settd and its connections',
  long: "The JSON has the members of the local API's status, in their order. Scripts that read it should name\nthe members they want and ignore the rest.",
  flags: {
    json: bool(false, 'output in JSON format'),
    web: bool(false, 'not built; --json has all that a web page could show', { hidden: true }),
    active: bool(false, 'filter output to only peers with active sessions'),
    self: bool(true, 'show status of local machine'),
    peers: bool(true, 'show status of peers'),
    header: bool(false, 'show column headers in table format'),
  },
  run,
}

async function run({ node, flags, args, at }: Context): Promise<void> {
  if (args.length > 0) throw new MeshError('input/invalid', "unexpected non-flag arguments to 'sett status'")
  if (flags.bool('web'))
    throw new MeshError('input/invalid', '--web is not built; `sett status --json` has all that a web page could show')
  if (flags.bool('json')) {
    const text = await plainly(node.statusText(flags.bool('peers')))
    readStatus(text)
    at.out.write(indentJson(flags.bool('active') ? onlyActive(text) : text, '  '))
    return
  }
  const status = await plainly(node.status(flags.bool('peers')))
  const health = (status.Health ?? []).map((line) => `#     - ${plain(line)}\n`).join('')
  const why = whyNotRunning(status)
  if (why !== undefined) {
    // In a state that nobody expects, these may say why.
    if (health !== '' && status.BackendState === 'NoState') at.out.write(`# Health check:\n${health}\n`)
    at.out.write(`${why}\n${status.BackendState === 'NeedsLogin' ? lastLoginError(status) : ''}`)
    throw new Exit(1)
  }
  const shown = flags.bool('self') ? [status.Self] : []
  const peers = peersOf(status).filter((peer) => peer.ShareeNode !== true)
  const isRented = (peer: PeerStatus): boolean =>
    peer.ExitNodeOption && !peer.ExitNode && peer.DNSName.endsWith(RENTED_SUFFIX)
  if (flags.bool('peers'))
    shown.push(...peers.filter((peer) => !isRented(peer) && (peer.Active || !flags.bool('active'))).sort(comparePeers))
  const heading = flags.bool('header') ? 'IP\tHostname\tOwner\tOS\tStatus\t\n--\t--------\t-----\t--\t------\t\n' : ''
  const rows = shown.map((peer) => rowOf(status, peer, at.now())).join('')
  at.out.write(alignColumns(heading + rows, { minWidth: 0, padding: 2 }))
  if (health !== '') at.out.write(`\n# Health check:\n${health}`)
}

/** Why the daemon is still logged out although somebody has said `up`, on a line of its own. */
function lastLoginError({ Health }: Status): string {
  const said = (Health ?? []).flatMap((line) => /The last login error was: .*/s.exec(line)?.[0] ?? [])
  return said.map((words) => `${plain(words)}\n`).join('')
}

function rowOf(status: Status, peer: PeerStatus, now: number): string {
  const cells = [
    peer.TailscaleIPs?.[0] ?? '',
    shortName(status, peer),
    ownerOf(status, peer),
    peer.OS,
    doing(peer, now),
  ]
  return `${cells.map(plain).join('\t')}\t\n`
}

function doing(peer: PeerStatus, now: number): string {
  const traffic = peer.TxBytes !== 0 || peer.RxBytes !== 0
  const offline = peer.Online ? '' : `; offline${lastSeen(peer.LastSeen, now)}`
  const bytes = traffic ? `, tx ${peer.TxBytes} rx ${peer.RxBytes}` : ''
  const exit = peer.ExitNode ? 'exit node' : peer.ExitNodeOption ? 'offers exit node' : ''
  if (peer.Active) return `active; ${exit === '' ? '' : `${exit}; `}${pathOf(peer)}${offline}${bytes}`
  if (exit !== '') return `idle; ${exit}${offline}${bytes}`
  if (traffic) return `idle${offline}${bytes}`
  return peer.Online ? '-' : offline.slice('; '.length)
}

function pathOf(peer: PeerStatus): string {
  if (peer.CurAddr !== '') return `direct ${peer.CurAddr}`
  if (peer.PeerRelay) return `peer-relay ${peer.PeerRelay}`
  return peer.Relay === '' ? '' : `relay ${quote(peer.Relay)}`
}

/** Integers that a number cannot hold go through as they are written. */
function onlyActive(text: string): string {
  const { rawJSON } = JSON as unknown as { rawJSON: (text: string) => unknown }
  const exact = (_key: string, value: unknown, context?: { source?: string }): unknown =>
    typeof value === 'number' && context?.source !== undefined ? rawJSON(context.source) : value
  const whole = JSON.parse(text, exact) as { Peer: Record<string, { Active: boolean }> | null }
  for (const [key, peer] of Object.entries(whole.Peer ?? {})) if (!peer.Active) delete whole.Peer?.[key]
  return goJson(whole, '')
}
