/**
 * Flags that stand for preferences (node.md §11): what each is called, which preference it is, and how the two are
 * turned into each other. What `up` makes of all of them together is up-prefs.ts.
 */

import { MeshError } from '../../base/errors.ts'
import type { MaskedPrefs, Prefs } from '../../sdk/local-client-types.ts'
import { bool, text } from './flags.ts'
import type { Flags, FlagValues } from './flags.ts'
import { quote } from './go-words.ts'
import { offersExitNode, withoutExitRoutes } from './routes.ts'

/** Where a node logs in when nobody says (node.md §11). */
export const DEFAULT_CONTROL_URL = 'https://controlplane.tailscale.com'
const CONTROL_SYNONYMS: readonly string[] = [DEFAULT_CONTROL_URL, 'https://login.tailscale.com']

/** Two names of one server. */
export function areSynonyms(a: unknown, b: unknown): boolean {
  return CONTROL_SYNONYMS.includes(a as string) && CONTROL_SYNONYMS.includes(b as string)
}

/** Preferences where nobody has any (node.md §11). */
export const DEFAULT_PREFS: Prefs = {
  ControlURL: '',
  RouteAll: false,
  ExitNodeID: '',
  ExitNodeIP: '',
  InternalExitNodePrior: '',
  ExitNodeAllowLANAccess: false,
  CorpDNS: true,
  RunSSH: false,
  RunWebClient: false,
  WantRunning: false,
  LoggedOut: false,
  ShieldsUp: false,
  AdvertiseTags: null,
  Hostname: '',
  NotepadURLs: false,
  AdvertiseRoutes: null,
  AdvertiseServices: null,
  Sync: null,
  NoSNAT: false,
  NoStatefulFiltering: true,
  NetfilterMode: 2,
  AutoUpdate: { Check: true, Apply: null },
  AppConnector: { Advertise: false },
  PostureChecking: false,
  NetfilterKind: '',
  RemoteConfig: false,
  DriveShares: null,
  Config: null,
}

/** What `up`, `login` and `set` have in common. */
export const SHARED_FLAGS = {
  'accept-routes': bool(false, 'accept routes advertised by other Tailscale nodes'),
  'accept-dns': bool(true, 'accept DNS configuration from the admin panel'),
  'exit-node': text(
    'Tailscale exit node (IP, base name, or auto:any) for internet traffic, or empty string to not use an exit node',
  ),
  'exit-node-allow-lan-access': bool(
    false,
    'allow direct access to the local network when routing traffic via an exit node',
  ),
  'shields-up': bool(false, "don't allow incoming connections"),
  ssh: bool(false, "run an SSH server, permitting access per tailnet admin's declared policy"),
  hostname: text('hostname to use instead of the one provided by the OS'),
  'advertise-routes': text(
    'routes to advertise to other nodes (comma-separated, e.g. "10.0.0.0/8,192.168.0.0/24") or empty string to not advertise routes',
  ),
  'advertise-exit-node': bool(false, 'offer to be an exit node for internet traffic for the tailnet'),
  'report-posture': bool(false, 'allow management plane to gather device posture information'),
  operator: text('Unix username to allow to operate on settd without sudo'),
  'snat-subnet-routes': bool(true, 'source NAT traffic to local routes advertised with --advertise-routes'),
  'stateful-filtering': bool(
    false,
    'apply stateful filtering to forwarded packets (subnet routers, exit nodes, and so on)',
  ),
  'netfilter-mode': text('netfilter mode (one of on, nodivert, off)', 'on'),
} satisfies Flags

/** Preferences behind a flag. A dot leads into a preference that has parts. */
const PREFS_OF: Readonly<Record<string, readonly string[]>> = {
  'advertise-exit-node': ['AdvertiseRoutes'],
  'advertise-routes': ['AdvertiseRoutes'],
  'exit-node': ['ExitNodeIP', 'ExitNodeID'],
  'accept-dns': ['CorpDNS'],
  'accept-routes': ['RouteAll'],
  'advertise-tags': ['AdvertiseTags'],
  hostname: ['Hostname'],
  'login-server': ['ControlURL'],
  'netfilter-mode': ['NetfilterMode'],
  'shields-up': ['ShieldsUp'],
  'snat-subnet-routes': ['NoSNAT'],
  'stateful-filtering': ['NoStatefulFiltering'],
  'exit-node-allow-lan-access': ['ExitNodeAllowLANAccess'],
  operator: ['OperatorUser'],
  ssh: ['RunSSH'],
  webclient: ['RunWebClient'],
  nickname: ['ProfileName'],
  'update-check': ['AutoUpdate.Check'],
  'auto-update': ['AutoUpdate.Apply'],
  'advertise-connector': ['AppConnector'],
  'report-posture': ['PostureChecking'],
  'remote-config': ['RemoteConfig'],
  'relay-server-port': ['RelayServerPort'],
  'relay-server-static-endpoints': ['RelayServerStaticEndpoints'],
  sync: ['Sync'],
}

/** An edit that takes from `prefs` what these flags stand for, and leaves the rest as it is. */
export function maskFor(flags: readonly string[], prefs: Prefs): Record<string, unknown> {
  const edit: Record<string, unknown> = {}
  for (const flag of flags)
    for (const name of PREFS_OF[flag] ?? []) {
      const [whole, part] = name.split('.') as [keyof Prefs, string?]
      edit[whole] = prefs[whole] ?? null
      edit[`${whole}Set`] =
        part === undefined ? true : { ...(edit[`${whole}Set`] as object | undefined), [`${part}Set`]: true }
    }
  return edit
}

/** Preferences after an edit. */
export function applyEdit(prefs: Prefs, edit: MaskedPrefs): Prefs {
  const after: Record<string, unknown> = { ...prefs }
  for (const [name, mask] of Object.entries(edit)) {
    if (!name.endsWith('Set')) continue
    const whole = name.slice(0, -'Set'.length)
    if (mask === true) after[whole] = edit[whole]
    else
      for (const part of Object.keys(mask as object).map((key) => key.slice(0, -'Set'.length)))
        after[whole] = { ...(after[whole] as object), [part]: (edit[whole] as Record<string, unknown>)[part] }
  }
  return after as unknown as Prefs
}

const NETFILTER_MODES = ['off', 'nodivert', 'on'] as const

/** The mode's number, and what to warn of. @throws MeshError `input/invalid` */
export function netfilterMode(values: FlagValues): { readonly mode: number; readonly warning?: string } {
  const word = values.text('netfilter-mode')
  const mode = NETFILTER_MODES.indexOf(word as 'on')
  if (mode < 0) throw new MeshError('input/invalid', `invalid value --netfilter-mode=${quote(word)}`)
  if (word === 'nodivert') return { mode, warning: 'netfilter=nodivert; add iptables calls to ts-* chains manually.' }
  return word === 'off' ? { mode, warning: 'netfilter=off; configure iptables yourself.' } : { mode }
}

export const NO_SNAT_WARNING =
  '--snat-subnet-routes=false is set with --advertise-exit-node; internet traffic through this exit node may not work as expected'

/** The flags of `up` that would bring preferences about, with their values. */
export function flagsFor(prefs: Prefs, exitNode: string): Readonly<Record<string, string | boolean>> {
  return {
    ssh: prefs.RunSSH,
    'login-server': prefs.ControlURL,
    'accept-routes': prefs.RouteAll,
    'accept-dns': prefs.CorpDNS,
    'shields-up': prefs.ShieldsUp,
    'exit-node': exitNode,
    'exit-node-allow-lan-access': prefs.ExitNodeAllowLANAccess,
    'advertise-tags': (prefs.AdvertiseTags ?? []).join(','),
    hostname: prefs.Hostname,
    operator: prefs.OperatorUser ?? '',
    'advertise-routes': withoutExitRoutes(prefs.AdvertiseRoutes).join(','),
    'advertise-exit-node': offersExitNode(prefs.AdvertiseRoutes),
    'advertise-connector': prefs.AppConnector.Advertise,
    'snat-subnet-routes': !prefs.NoSNAT,
    // Filtering is on unless it is said to be off.
    'stateful-filtering': prefs.NoStatefulFiltering !== true,
    'netfilter-mode': NETFILTER_MODES[prefs.NetfilterMode] ?? '',
    'report-posture': prefs.PostureChecking,
  }
}
