/**
 * The deployment's ceiling: what the owner of a machine forbids its node, whatever the server grants, whoever else may
 * set preferences (docs/ceiling.md). What is forbidden can't be set, is not in force where it had been set before, and
 * is not believed when the network map says it. Requests of the server (c2n) that change something are off unless the
 * ceiling names them.
 *
 * Pure: reading the file, and whose it is, is io/ceiling-file.ts.
 */

import { MeshError } from '../../base/errors.ts'

/** What can be forbidden, with what is said to whoever asks for it. */
export const FORBIDDABLE = {
  ssh: 'the SSH server',
  'file-transfer': 'sending files',
  'use-exit-node': 'using an exit node',
  'offer-exit-node': 'offering an exit node',
  'accept-routes': 'taking routes of others',
  'advertise-routes': 'advertising routes',
  'remote-config': 'changing preferences from afar',
} as const
export type Forbiddable = keyof typeof FORBIDDABLE

/** Names of c2n requests that there are; `changing`: those that do more than tell something. */
export interface C2nNames {
  readonly all: readonly string[]
  readonly changing: readonly string[]
}

export interface Ceiling {
  /** For messages; empty: there is none. */
  readonly file: string
  readonly forbids: ReadonlySet<Forbiddable>
  /** Requests of the server's that are refused; `*`: all. */
  readonly c2nForbids: ReadonlySet<string>
  /** Requests that change something and are allowed. */
  readonly c2nAllows: ReadonlySet<string>
}

/** Nothing is forbidden, and no c2n request may change anything. */
export const NO_CEILING: Ceiling = { file: '', forbids: new Set(), c2nForbids: new Set(), c2nAllows: new Set() }

/** The preferences that a ceiling is about. */
export interface CeilingPrefs {
  readonly RunSSH: boolean
  readonly RouteAll: boolean
  readonly ExitNodeID: string
  readonly ExitNodeIP: string
  readonly AutoExitNode: string
  readonly InternalExitNodePrior: string
  readonly AdvertiseRoutes: readonly string[] | null
  readonly RemoteConfig: boolean
}

const CAPABILITIES: ReadonlyMap<string, Forbiddable> = new Map([
  ['https://tailscale.com/cap/ssh', 'ssh'],
  ['https://tailscale.com/cap/file-sharing', 'file-transfer'],
])

/**
 * Reads a ceiling. A word that nobody knows is an error: what it was to forbid would be allowed.
 *
 * @param file its name, for messages
 * @throws MeshError `config/invalid`
 */
export function readCeiling(text: string, file: string, c2n: C2nNames): Ceiling {
  const fail = (why: string): never => {
    throw new MeshError('config/invalid', `Cannot read the ceiling ${file}: ${why}`)
  }
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    return fail((error as Error).message)
  }
  const object = (value: unknown, name: string, members: readonly string[]): Readonly<Record<string, unknown>> => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return fail(`${name}: want an object`)
    for (const key of Object.keys(value))
      if (!members.includes(key)) fail(`${name}: unknown member ${JSON.stringify(key)}, want ${members.join(', ')}`)
    return value as Readonly<Record<string, unknown>>
  }
  const words = <Word extends string>(value: unknown, name: string, known: readonly Word[]): ReadonlySet<Word> => {
    if (value === undefined) return new Set()
    if (!Array.isArray(value)) return fail(`${name}: want a list`)
    for (const word of value as unknown[])
      if (!known.includes(word as Word))
        fail(`${name}: unknown word ${JSON.stringify(word)}, want any of ${known.join(', ')}`)
    return new Set(value as Word[])
  }
  const top = object(json, 'the file', ['forbid', 'c2n'])
  const asked = top['c2n'] === undefined ? {} : object(top['c2n'], 'c2n', ['forbid', 'allow'])
  return {
    file,
    forbids: words(top['forbid'], 'forbid', Object.keys(FORBIDDABLE) as Forbiddable[]),
    c2nForbids: words(asked['forbid'], 'c2n.forbid', ['*', ...c2n.all]),
    c2nAllows: words(asked['allow'], 'c2n.allow', c2n.changing),
  }
}

/** Why these preferences are above the ceiling; `undefined`: they are not. */
export function whyForbidden(ceiling: Ceiling, prefs: CeilingPrefs): string | undefined {
  const reasons = [...ceiling.forbids]
    .filter((what) => asksFor(prefs, what))
    .map((what) => `${capital(FORBIDDABLE[what])} is forbidden on this machine by ${ceiling.file}.`)
  return reasons.length === 0 ? undefined : reasons.join('\n')
}

/** The preferences without what is above the ceiling: those that are in force. */
export function underCeiling<Prefs extends CeilingPrefs>(ceiling: Ceiling, prefs: Prefs): Prefs {
  let bounded = prefs
  for (const what of ceiling.forbids) if (asksFor(bounded, what)) bounded = { ...bounded, ...without(bounded, what) }
  return bounded
}

/** Does a capability count that the network map gives us? */
export function honours(ceiling: Ceiling, capability: string): boolean {
  const what = CAPABILITIES.get(capability)
  return what === undefined || !ceiling.forbids.has(what)
}

/** May the server have this request carried out? */
export function allowsC2n(ceiling: Ceiling, { name, changes }: { readonly name: string; readonly changes: boolean }) {
  if (ceiling.c2nForbids.has('*') || ceiling.c2nForbids.has(name)) return false
  return !changes || ceiling.c2nAllows.has(name)
}

function asksFor(prefs: CeilingPrefs, what: Forbiddable): boolean {
  switch (what) {
    case 'ssh':
      return prefs.RunSSH
    case 'file-transfer':
      return false
    case 'use-exit-node':
      return [prefs.ExitNodeID, prefs.ExitNodeIP, prefs.AutoExitNode, prefs.InternalExitNodePrior].some((x) => x !== '')
    case 'offer-exit-node':
      return (prefs.AdvertiseRoutes ?? []).some(isEverything)
    case 'accept-routes':
      return prefs.RouteAll
    case 'advertise-routes':
      return (prefs.AdvertiseRoutes ?? []).some((route) => !isEverything(route))
    case 'remote-config':
      return prefs.RemoteConfig
  }
}

function without({ AdvertiseRoutes: routes }: CeilingPrefs, what: Forbiddable): Partial<CeilingPrefs> {
  switch (what) {
    case 'ssh':
      return { RunSSH: false }
    case 'file-transfer':
      return {}
    case 'use-exit-node':
      return { ExitNodeID: '', ExitNodeIP: '', AutoExitNode: '', InternalExitNodePrior: '' }
    case 'offer-exit-node':
      return { AdvertiseRoutes: (routes ?? []).filter((route) => !isEverything(route)) }
    case 'accept-routes':
      return { RouteAll: false }
    case 'advertise-routes':
      return { AdvertiseRoutes: (routes ?? []).filter(isEverything) }
    case 'remote-config':
      return { RemoteConfig: false }
  }
}

/** Half of an exit node is no exit node to others, but it leads as far. */
function isEverything(route: string): boolean {
  return route.endsWith('/0')
}

function capital(text: string): string {
  return `${(text[0] as string).toUpperCase()}${text.slice(1)}`
}
