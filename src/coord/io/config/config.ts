/**
 * Puts the configuration together: flags over environment over file over defaults.
 *
 * A wrong value is a `config/invalid` error that says which, where it was said, why it is wrong and what is
 * accepted. Reading the file and asking the machine for its facts is done by whoever calls.
 */

import { join } from 'node:path'
import { MeshError } from '../../../base/errors.ts'
import { Secret } from '../../../base/secret.ts'
import { complaintOfAcme, portOf } from './acme.ts'
import { OPTION_NAMES, OPTIONS, variableOf, Wrong } from './options.ts'
import type { Config, Listen, LogFormat, LogLevel, Option, OptionName } from './options.ts'
import { findClash } from './ports.ts'
import type { Clash } from './ports.ts'

/** Texts by option. */
export type Texts = { readonly [name in OptionName]?: string | undefined }

export interface Sources {
  readonly flags: Texts
  readonly env: { readonly [variable: string]: string | undefined }
  /** The configuration file, if one was named: its name and what it says. */
  readonly file?: { readonly name: string; readonly text: string }
}

/** What the defaults depend on. */
export interface Host {
  readonly root: boolean
  readonly home: string
}

/** Where things are kept when nobody says: a system folder for root, otherwise the user's own. */
export function defaultData(host: Host, env: Sources['env']): string {
  if (host.root) return '/var/lib/sett'
  const shared = env['XDG_DATA_HOME']
  return join(shared !== undefined && shared.startsWith('/') ? shared : join(host.home, '.local', 'share'), 'sett')
}

/**
 * Reads `option = value` lines: blank lines and lines that begin with `#` are skipped, values are the texts
 * that the flags take.
 *
 * @throws MeshError `config/invalid`, naming the line
 */
export function parseFile(name: string, text: string): Texts {
  const texts: { [name in OptionName]?: string } = {}
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#')) continue
    const at = `${name}, line ${index + 1}`
    const equals = line.indexOf('=')
    if (equals < 0) throw new MeshError('config/invalid', `Cannot read ${at}: want "option = value"`)
    const key = line.slice(0, equals).trim()
    const option = OPTION_NAMES.find((known) => known === key)
    if (option === undefined) {
      throw new MeshError(
        'config/invalid',
        `Cannot read ${at}: there is no option ${JSON.stringify(key)}; there are ${OPTION_NAMES.join(', ')}`,
      )
    }
    if (texts[option] !== undefined) throw new MeshError('config/invalid', `Cannot read ${at}: ${key} is said twice`)
    texts[option] = line.slice(equals + 1).trim()
  }
  return texts
}

/** What was said of an option, and where, as a complaint names it: `--listen`, `SETT_LISTEN`, `listen in FILE`. */
export interface Said {
  readonly where: string
  readonly text: string
}

/**
 * Finds what counts of all that was said.
 *
 * @throws MeshError `config/invalid` when the file cannot be read as one
 */
export function sayings(sources: Sources): (name: OptionName) => Said | undefined {
  const file = sources.file === undefined ? {} : parseFile(sources.file.name, sources.file.text)
  return (name) => {
    const variable = variableOf(name)
    const said: readonly (readonly [where: string, text: string | undefined])[] = [
      [`--${name}`, sources.flags[name]],
      // An empty variable is how shells and unit files say "not set".
      [variable, sources.env[variable] || undefined],
      [`${name} in ${sources.file?.name}`, file[name]],
    ]
    for (const [where, text] of said) if (text !== undefined) return { where, text }
    return undefined
  }
}

/**
 * The configuration that the sources say together.
 *
 * @throws MeshError `config/invalid`
 */
export function resolveConfig(sources: Sources, host: Host): Config {
  const said = sayings(sources)

  function given<T>(name: OptionName, option: Option<T>): T | undefined {
    const saying = said(name)
    if (saying === undefined) return undefined
    const value = option.parse(saying.text)
    if (value instanceof Wrong)
      throw new MeshError('config/invalid', `Cannot use ${shown(saying, option)}: ${value.why}; want ${option.want}`)
    return value
  }
  function pick<T>(name: OptionName, option: Option<T> & { readonly fallback: string }): T {
    return given(name, option) ?? (option.parse(option.fallback) as T)
  }

  const data = given('data', OPTIONS.data) ?? defaultData(host, sources.env)
  const url = given<string>('url', OPTIONS.url)
  const tls = pick<Config['tls']>('tls', OPTIONS.tls)
  const config: Config = {
    listen:
      given<readonly Listen[]>('listen', OPTIONS.listen) ??
      (tls === 'acme' && url !== undefined ? [{ host: '', port: portOf(url) }] : pick('listen', OPTIONS.listen)),
    url,
    data,
    database: given('database', OPTIONS.database) ?? new Secret(`sqlite:${join(data, 'sett.db')}`, 'database'),
    tls,
    acmeDirectory: pick('acme-directory', OPTIONS['acme-directory']),
    acmeEmail: given<string>('acme-email', OPTIONS['acme-email']),
    acmeEab: given('acme-eab', OPTIONS['acme-eab']),
    httpListen:
      given<readonly Listen[]>('http-listen', OPTIONS['http-listen']) ??
      (tls === 'acme' ? [{ host: '', port: 80 }] : []),
    trustedProxy: given('trusted-proxy', OPTIONS['trusted-proxy']) ?? [],
    privateTargets: given('private-targets', OPTIONS['private-targets']) ?? [],
    relayListen: pick('relay-listen', OPTIONS['relay-listen']),
    stunListen: pick('stun-listen', OPTIONS['stun-listen']),
    tailnetDomain: pick('tailnet-domain', OPTIONS['tailnet-domain']),
    auditDays: pick('audit-days', OPTIONS['audit-days']),
    logLevel: pick<LogLevel>('log-level', OPTIONS['log-level']),
    logFormat: pick<LogFormat>('log-format', OPTIONS['log-format']),
  }
  const complaint = complaintOfAcme(config, said)
  if (complaint !== undefined) throw new MeshError('config/invalid', complaint)
  const clash = findClash(config)
  if (clash !== undefined) throw new MeshError('config/invalid', describeClash(clash, said))
  return config
}

function shown({ where, text }: Said, option: Option<unknown>): string {
  return `${where} ${option.secret === true ? '(not shown)' : JSON.stringify(text)}`
}

function describeClash({ options, port, protocol }: Clash, said: (name: OptionName) => Said | undefined): string {
  const [one, other] = options.map((name) => {
    const saying = said(name)
    if (saying !== undefined) return shown(saying, OPTIONS[name])
    const { fallback, absent }: Option<unknown> = OPTIONS[name]
    return `--${name} "${fallback ?? absent}" (its default)`
  })
  return one === other
    ? `Cannot use ${one}: it asks for ${protocol} port ${port} twice; want ${OPTIONS[options[0]].want}`
    : `Cannot use ${one} together with ${other}: both ask for ${protocol} port ${port}; give one of them another port`
}

/** The origin that clients use when none was configured: this machine's first address, and the port. */
export function deriveUrl(config: Pick<Config, 'listen' | 'tls'>, port: number, address: string | undefined): string {
  const named = config.listen[0]?.host ?? ''
  const anywhere = named === '' || named === '0.0.0.0' || named === '::'
  const host = anywhere ? (address ?? '127.0.0.1') : named
  return new URL(`${config.tls === 'off' ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${port}`)
    .origin
}
