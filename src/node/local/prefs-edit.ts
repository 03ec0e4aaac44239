/** What a masked edit makes of preferences, and the line that says them for logs (node.md §11). */

import { DEFAULT_PREFS } from './prefs.ts'
import type { MaskedPrefs, NetfilterMode, Prefs } from './prefs.ts'

/**
 * The preferences with the named fields set; the same object when nothing is named. Whoever names an exit node wants
 * that one, and no longer the best there is.
 */
export function editedPrefs(prefs: Prefs, { values, set }: MaskedPrefs): Prefs {
  if (set.size === 0) return prefs
  const edited: Record<string, unknown> = { ...prefs }
  const autoUpdate = { ...prefs.AutoUpdate }
  for (const name of set) {
    if (name === 'AutoUpdate.Check') autoUpdate.Check = values.AutoUpdate.Check
    else if (name === 'AutoUpdate.Apply') autoUpdate.Apply = values.AutoUpdate.Apply
    else edited[name] = values[name]
  }
  if ((set.has('ExitNodeID') || set.has('ExitNodeIP')) && !set.has('AutoExitNode')) edited['AutoExitNode'] = ''
  if (set.has('AutoUpdate.Check') || set.has('AutoUpdate.Apply')) edited['AutoUpdate'] = autoUpdate
  return edited as unknown as Prefs
}

/**
 * An exit node that was named by its address, named by its ID as soon as a peer has that address. Names outlive
 * addresses.
 *
 * @param idOf stable ID of the peer with this address
 */
export function withExitNodeId(prefs: Prefs, idOf: (ip: string) => string | undefined): Prefs {
  const id = prefs.ExitNodeIP === '' ? undefined : idOf(prefs.ExitNodeIP)
  return id === undefined ? prefs : { ...prefs, ExitNodeID: id, ExitNodeIP: '' }
}

const NETFILTER: { readonly [Mode in NetfilterMode]: string } = { 0: 'off', 1: 'nodivert', 2: 'on' }

/** One line for logs: what always matters, and what is not as it is by default. Holds no secret. */
export function prefsSummary(prefs: Prefs): string {
  const routes = prefs.AdvertiseRoutes ?? []
  const words: string[] = []
  const say = (when: boolean, word: string) => void (when && words.push(word))
  say(true, `ra=${prefs.RouteAll}`)
  say(true, `dns=${prefs.CorpDNS}`)
  say(true, `want=${prefs.WantRunning}`)
  say(prefs.RunSSH, 'ssh=true')
  say(prefs.RunWebClient, 'webclient=true')
  say(prefs.LoggedOut, 'loggedout=true')
  say(prefs.Sync === false, 'sync=false')
  say(prefs.ForceDaemon, 'server=true')
  say(prefs.NotepadURLs, 'notepad=true')
  say(prefs.ShieldsUp, 'shields=true')
  const exit = prefs.ExitNodeIP === '' ? prefs.ExitNodeID : prefs.ExitNodeIP
  say(exit !== '', `exit=${exit} lan=${prefs.ExitNodeAllowLANAccess}`)
  say(prefs.AutoExitNode !== '', `auto=${prefs.AutoExitNode}`)
  say(true, `routes=[${routes.join(' ')}]`)
  say(routes.length > 0 || prefs.NoSNAT, `snat=${!prefs.NoSNAT}`)
  const unfiltered = prefs.NoStatefulFiltering === true
  say(routes.length > 0 || unfiltered, `statefulFiltering=${!unfiltered}`)
  const tags = prefs.AdvertiseTags ?? []
  say(tags.length > 0, `tags=${tags.join(',')}`)
  say(true, `nf=${NETFILTER[prefs.NetfilterMode]}`)
  say(prefs.ControlURL !== DEFAULT_PREFS.ControlURL, `url=${JSON.stringify(prefs.ControlURL)}`)
  say(prefs.Hostname !== '', `host=${JSON.stringify(prefs.Hostname)}`)
  say(prefs.OperatorUser !== '', `op=${JSON.stringify(prefs.OperatorUser)}`)
  say(prefs.NetfilterKind !== '', `netfilterKind=${prefs.NetfilterKind}`)
  const { Check, Apply } = prefs.AutoUpdate
  say(true, `update=${Apply === true ? 'on' : Check ? 'check' : 'off'}`)
  say(prefs.AppConnector.Advertise, 'appconnector=advertise')
  say(prefs.RelayServerPort !== null, `relayServerPort=${prefs.RelayServerPort}`)
  words.push(
    prefs.Config === null
      ? 'Persist=nil'
      : `Persist{n=${prefs.Config.NodeID} u=${JSON.stringify(prefs.Config.UserProfile.LoginName)}}`,
  )
  return `Prefs{${words.join(' ')}}`
}
