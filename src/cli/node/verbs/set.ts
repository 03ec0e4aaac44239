/** `sett set`: changes the settings that are named, and no other. */

import { MeshError } from '../../../base/errors.ts'
import { compareIps, formatAddressPort, parseAddressPort } from '../../../base/ip.ts'
import type { Prefs } from '../../../sdk/local-client-types.ts'
import { AskedForHelp } from '../command.ts'
import type { Command, Context } from '../command.ts'
import { exitNodePrefs } from '../exit-node.ts'
import { bool, text } from '../flags.ts'
import type { FlagValues } from '../flags.ts'
import { quote, quoteList } from '../go-words.ts'
import { checkHostname } from '../names.ts'
import { applyEdit, DEFAULT_PREFS, maskFor, netfilterMode, NO_SNAT_WARNING, SHARED_FLAGS } from '../pref-flags.ts'
import { acceptRisk, takeSshRisk } from '../risks.ts'
import { EXIT_ROUTES, offersExitNode, routesFrom } from '../routes.ts'
import { warn, warnOfRoutes } from '../warnings.ts'

const WEB_PORT = 5252
const MAX_PORT = 65_535

export const set: Command = {
  name: 'set',
  usage: 'sett set [flags]',
  short: 'Change specified preferences',
  long: `"sett set" allows changing specific preferences.

Unlike "sett up", this command does not require the complete set of desired settings.

Only settings explicitly mentioned will be set. There are no default values.`,
  hideDefaults: true,
  flags: {
    ...SHARED_FLAGS,
    nickname: text('nickname for the current account'),
    'advertise-connector': bool(
      false,
      'offer to be an app connector for domain specific internet traffic for the tailnet',
    ),
    'update-check': bool(true, 'notify about available Tailscale updates'),
    'auto-update': bool(false, 'automatically update to the latest available version'),
    webclient: bool(false, `expose the web interface for managing this node over Tailscale at port ${WEB_PORT}`),
    'remote-config': bool(false, "let the tailnet's administrator set everything on this node", { hidden: true }),
    sync: bool(false, 'take configuration from the control server; off only to test what happens then', {
      hidden: true,
    }),
    'relay-server-port': text(
      'UDP port number (0 will pick a random unused port) for the relay server to bind to, on all interfaces, or empty string to disable relay server functionality',
    ),
    'relay-server-static-endpoints': text(
      'static IP:port endpoints to advertise as candidates for relay connections (comma-separated, e.g. "[2001:db8::1]:40000,192.0.2.1:40000") or empty string to not advertise any static endpoints',
    ),
    'accept-risk': acceptRisk,
  },
  run,
}

async function run({ node, flags, args, at }: Context): Promise<void> {
  if (args.length > 0) throw new MeshError('input/invalid', `too many non-flag arguments: ${quoteList(args)}`)
  const status = await node.status()
  const { mode, warning } = netfilterMode(flags)
  if (warning !== undefined) warn(at, warning)
  const exit = exitNodePrefs(flags.text('exit-node'), status)
  const given = flags.given().filter((name) => name !== 'accept-risk')
  if (given.length === 0) throw new AskedForHelp()
  if (flags.text('hostname') !== '') checkHostname(flags.text('hostname'))

  const current = await node.prefs()
  const prefs = { ...wantedPrefs(flags, current), NetfilterMode: mode, ...exit }
  if (flags.bool('advertise-connector') || given.some((name) => /^advertise-(routes|exit-node)$/.test(name)))
    await warnOfRoutes(at, node, prefs)
  const auto = exit?.AutoExitNode ? { AutoExitNode: exit.AutoExitNode, AutoExitNodeSet: true } : {}
  const edit = { ...auto, ...maskFor(given, prefs) }
  if (flags.isGiven('ssh'))
    await takeSshRisk(at, { wanted: flags.bool('ssh'), had: current.RunSSH }, flags.text('accept-risk'))
  const after = applyEdit(current, edit)
  if (after.NoSNAT && offersExitNode(after.AdvertiseRoutes)) warn(at, NO_SNAT_WARNING)
  await node.checkPrefs(after)
  await node.editPrefs(edit)
  const [ip] = status.TailscaleIPs ?? []
  if (flags.bool('webclient') && ip !== undefined) at.out.write(`\nWeb interface now running at ${ip}:${WEB_PORT}\n`)
}

/** Every preference that a flag here stands for. Only those of flags that were given are used. */
function wantedPrefs(flags: FlagValues, current: Prefs): Prefs {
  return {
    ...DEFAULT_PREFS,
    ProfileName: flags.text('nickname'),
    RouteAll: flags.bool('accept-routes'),
    CorpDNS: flags.bool('accept-dns'),
    ExitNodeAllowLANAccess: flags.bool('exit-node-allow-lan-access'),
    ShieldsUp: flags.bool('shields-up'),
    RunSSH: flags.bool('ssh'),
    RunWebClient: flags.bool('webclient'),
    Hostname: flags.text('hostname'),
    OperatorUser: flags.text('operator'),
    AdvertiseRoutes: wantedRoutes(flags, current.AdvertiseRoutes),
    NoSNAT: !flags.bool('snat-subnet-routes'),
    Sync: flags.bool('sync'),
    AutoUpdate: { Check: flags.bool('update-check'), Apply: flags.bool('auto-update') },
    AppConnector: { Advertise: flags.bool('advertise-connector') },
    PostureChecking: flags.bool('report-posture'),
    RemoteConfig: flags.bool('remote-config'),
    NoStatefulFiltering: !flags.bool('stateful-filtering'),
    RelayServerPort: relayPort(flags.text('relay-server-port')),
    RelayServerStaticEndpoints: relayEndpoints(flags.text('relay-server-static-endpoints')),
  }
}

/** Routes and the offer of an exit node are one preference, and each flag changes its part of it. */
function wantedRoutes(flags: FlagValues, current: readonly string[] | null): readonly string[] | null {
  const exitNode = flags.isGiven('advertise-exit-node') ? flags.bool('advertise-exit-node') : offersExitNode(current)
  if (flags.isGiven('advertise-routes')) return routesFrom(flags.text('advertise-routes'), exitNode)
  if (offersExitNode(current) === exitNode) return current
  const others = (current ?? []).filter((route) => !route.endsWith('/0'))
  return exitNode ? [...others, ...EXIT_ROUTES] : others
}

function relayPort(text: string): number | null {
  if (text === '') return null
  if (/^\d+$/.test(text) && Number(text) <= MAX_PORT) return Number(text)
  const why = /^\d+$/.test(text) ? 'value out of range' : 'invalid syntax'
  throw new MeshError(
    'input/invalid',
    `failed to set relay server port: strconv.ParseUint: parsing ${quote(text)}: ${why}`,
  )
}

function relayEndpoints(text: string): string[] | null {
  if (text === '') return null
  const endpoints = text.split(',').map((word) => {
    const endpoint = parseAddressPort(word)
    if (endpoint !== undefined) return endpoint
    throw new MeshError(
      'input/invalid',
      `failed to set relay server static endpoints: ${quote(word)} is not a valid IP:port`,
    )
  })
  endpoints.sort((a, b) => compareIps(a.ip, b.ip) || a.port - b.port)
  return [...new Set(endpoints.map(formatAddressPort))]
}
