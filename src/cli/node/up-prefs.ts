/**
 * From the flags of `sett up` and the preferences in force to what is to be done: nothing but a small edit, a bare "be
 * up again", or new preferences as a whole. A setting that nobody mentions is not to fall back to its default unseen.
 */

import { MeshError } from '../../base/errors.ts'
import type { MaskedPrefs, Prefs, Status } from '../../sdk/local-client-types.ts'
import { currentExitNode, exitNodePrefs } from './exit-node.ts'
import type { FlagValues } from './flags.ts'
import { formatDuration, quote, shellWord } from './go-words.ts'
import { checkHostname, tagsFrom } from './names.ts'
import { areSynonyms, DEFAULT_PREFS, flagsFor, maskFor, netfilterMode, NO_SNAT_WARNING } from './pref-flags.ts'
import { offersExitNode, routesFrom } from './routes.ts'

/** Which of the two verbs asks: `login` has flags of its own. */
export type UpVerb = 'up' | 'login'

/** @param warn is told of settings that are allowed and seldom meant. @throws MeshError `input/invalid` */
export function prefsFromFlags(verb: UpVerb, flags: FlagValues, status: Status, warn: (words: string) => void): Prefs {
  const routes = routesFrom(flags.text('advertise-routes'), flags.bool('advertise-exit-node'))
  const exitNode = flags.text('exit-node')
  if (exitNode === '' && flags.bool('exit-node-allow-lan-access'))
    throw new MeshError('input/invalid', '--exit-node-allow-lan-access can only be used with --exit-node')
  const tags = tagsFrom(flags.text('advertise-tags'))
  const hostname = flags.text('hostname')
  if (hostname !== '') checkHostname(hostname)
  const exit = exitNodePrefs(exitNode, status)
  const noSnat = !flags.bool('snat-subnet-routes')
  if (noSnat && offersExitNode(routes)) warn(NO_SNAT_WARNING)
  const { mode, warning } = netfilterMode(flags)
  if (warning !== undefined) warn(warning)
  const operator = flags.text('operator')
  const nickname = verb === 'login' ? flags.text('nickname') : ''
  return {
    ...DEFAULT_PREFS,
    ControlURL: flags.text('login-server'),
    WantRunning: true,
    RouteAll: flags.bool('accept-routes'),
    ...exit,
    ExitNodeAllowLANAccess: flags.bool('exit-node-allow-lan-access'),
    CorpDNS: flags.bool('accept-dns'),
    ShieldsUp: flags.bool('shields-up'),
    RunSSH: flags.bool('ssh'),
    AdvertiseRoutes: routes,
    AdvertiseTags: tags,
    Hostname: hostname,
    ...(operator === '' ? {} : { OperatorUser: operator }),
    ...(nickname === '' ? {} : { ProfileName: nickname }),
    AppConnector: { Advertise: flags.bool('advertise-connector') },
    PostureChecking: flags.bool('report-posture'),
    NoSNAT: noSnat,
    NoStatefulFiltering: !flags.bool('stateful-filtering'),
    NetfilterMode: mode,
  }
}

export type UpPlan =
  /** The node runs already, and this is all that changes. */
  | { readonly kind: 'edit'; readonly edit: MaskedPrefs }
  /** Be up again with the settings that are there. */
  | { readonly kind: 'resume' }
  | { readonly kind: 'start'; readonly prefs: Prefs }

export interface UpGiven {
  readonly verb: UpVerb
  readonly flags: FlagValues
  /** From the flags. */
  readonly wanted: Prefs
  /** In force. */
  readonly current: Prefs
  readonly status: Status
  /** Name of the user, as the shell knows it. */
  readonly user: string | undefined
}

/** @throws MeshError `input/invalid` when settings would be lost, or a change needs a new login */
export function planUp(given: UpGiven): UpPlan {
  const { verb, flags, current, status } = given
  const isUp = verb === 'up'
  let wanted = given.wanted
  if (isUp && current.ProfileName) wanted = { ...wanted, ProfileName: current.ProfileName }
  const force = isUp && flags.bool('force-reauth')
  const reset = isUp && flags.bool('reset')
  // The flags of `login` are those of a new account, which has no settings to lose.
  const mentioned = isUp ? flags.given() : []
  // Only the login is missing, as when the key has ended: the settings stay.
  if (isUp && mentioned.length === 0 && isKnown(current) && status.BackendState === 'NeedsLogin')
    return { kind: 'start', prefs: { ...current, WantRunning: true, LoggedOut: false } }
  let resumes = false
  if (!reset) {
    const operator = current.OperatorUser
    // Whoever operates the node without root goes on to.
    if (operator && operator === given.user && !wanted.OperatorUser && !mentioned.includes('operator'))
      wanted = { ...wanted, OperatorUser: operator }
    resumes = refuseLosses({ ...given, wanted }, mentioned)
  }
  // A bare `up` asks for no other server; the official program takes it for a move there when the node runs already.
  const moved =
    !resumes && current.ControlURL !== wanted.ControlURL && !areSynonyms(current.ControlURL, wanted.ControlURL)
  const runs = status.BackendState === 'Running'
  if (moved && runs && !force)
    throw new MeshError('input/invalid', "can't change --login-server without --force-reauth")
  const sameTags = resumes || (current.AdvertiseTags ?? []).join() === (wanted.AdvertiseTags ?? []).join()
  if (runs && !force && flags.text('auth-key') === '' && !moved && sameTags) {
    const auto = wanted.AutoExitNode ? { AutoExitNode: wanted.AutoExitNode, AutoExitNodeSet: true } : {}
    const edit = maskFor(reset ? flags.names() : mentioned, wanted)
    return { kind: 'edit', edit: { WantRunning: true, WantRunningSet: true, ...auto, ...edit } }
  }
  return resumes ? { kind: 'resume' } : { kind: 'start', prefs: wanted }
}

/** Has somebody logged in with these preferences? */
function isKnown({ Config }: Prefs): boolean {
  return (Config?.UserProfile?.LoginName ?? '') !== ''
}

/** Is this a bare `up` of a node that has been logged in before? Throws where a setting would be lost. */
function refuseLosses({ flags, wanted, current, status }: UpGiven, mentioned: readonly string[]): boolean {
  // Before the first login there is nothing to lose.
  if (current.ControlURL === '') return false
  if (mentioned.length === 0 && isKnown(current) && status.BackendState !== 'NeedsLogin') return true

  const exitNode = currentExitNode(current, status)
  const before = flagsFor(current, exitNode)
  const after = flagsFor(wanted, wanted.ExitNodeIP || (wanted.ExitNodeID === '' ? '' : exitNode))
  const lost = Object.entries(before).filter(
    ([name, value]) =>
      !mentioned.includes(name) &&
      value !== after[name] &&
      !(name === 'login-server' && areSynonyms(value, after[name])) &&
      // It was once on by default, and nobody is to be asked about that.
      !(name === 'stateful-filtering' && value === true),
  )
  if (lost.length === 0) return false
  const words = [
    ...mentioned.map((name) => writtenFlag(name, givenValue(flags, name))),
    ...lost.map(([name, value]) => writtenFlag(name, value)).sort(),
  ]
  throw new MeshError(
    'input/invalid',
    `Error: changing settings via 'sett up' requires mentioning all
non-default flags. To proceed, either re-run your command with --reset or
use the command below to explicitly mention the current value of
all non-default settings:

\tsett up ${words.join(' ')}

`,
  )
}

function givenValue(flags: FlagValues, name: string): string | boolean {
  if (flags.isBool(name)) return flags.bool(name)
  if (name === 'timeout') return formatDuration(flags.number(name))
  // The command line is repeated where others may read it.
  return name === 'auth-key' ? 'XXXX' : flags.text(name)
}

function writtenFlag(name: string, value: string | boolean): string {
  if (value === true) return `--${name}`
  return value === '' ? `--${name}=` : `--${name}=${shellWord(String(value))}`
}

/** Reads a value that may be in a file: `file:/run/key`. @throws MeshError `input/invalid` */
export function valueOrFile(text: string, readFile: (path: string) => string): string {
  if (!text.startsWith('file:')) return text
  const path = text.slice('file:'.length)
  try {
    return readFile(path).trim()
  } catch (cause) {
    throw new MeshError('input/invalid', `Cannot read ${quote(path)}: ${(cause as Error).message}`, { cause })
  }
}
