/**
 * Puts the configuration together: flags over environment over file over defaults.
 *
 * A wrong value is a `config/invalid` error that says which, where it was said, why it is wrong and what is
 * accepted. Reading the file and asking the machine for its facts is done by whoever calls.
 */

import { join } from 'node:path'
import { MeshError } from '../../../base/errors.ts'
import { Secret } from '../../../base/secret.ts'
import { OPTION_NAMES, OPTIONS, variableOf, Wrong } from './options.ts'
import type { Config, Option, OptionName } from './options.ts'

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

/**
 * The configuration that the sources say together.
 *
 * @throws MeshError `config/invalid`
 */
export function resolveConfig(sources: Sources, host: Host): Config {
  const file = sources.file === undefined ? {} : parseFile(sources.file.name, sources.file.text)

  function pick<T>(name: OptionName, option: Option<T>, otherwise: T): T {
    const variable = variableOf(name)
    const said: readonly (readonly [string | undefined, string])[] = [
      [sources.flags[name], `--${name}`],
      // An empty variable is how shells and unit files say "not set".
      [sources.env[variable] === '' ? undefined : sources.env[variable], variable],
      [file[name], `${name} in ${sources.file?.name}`],
    ]
    for (const [text, where] of said) {
      if (text === undefined) continue
      const value = option.parse(text)
      if (!(value instanceof Wrong)) return value
      const shown = option.secret === true ? '(not shown)' : JSON.stringify(text)
      throw new MeshError('config/invalid', `Cannot use ${where} ${shown}: ${value.why}; want ${option.want}`)
    }
    return otherwise
  }

  const data = pick('data', OPTIONS.data, defaultData(host, sources.env))
  const listen = pick('listen', OPTIONS.listen, [{ host: '', port: 8080 }])
  const tls = pick('tls', OPTIONS.tls, 'off')
  return {
    listen,
    url: pick<string | undefined>('url', OPTIONS.url, undefined),
    data,
    database: pick('database', OPTIONS.database, new Secret(`sqlite:${join(data, 'sett.db')}`, 'database')),
    tls,
    trustedProxy: pick('trusted-proxy', OPTIONS['trusted-proxy'], []),
    relayListen: pick('relay-listen', OPTIONS['relay-listen'], { host: '', port: 8443 }),
    stunListen: pick('stun-listen', OPTIONS['stun-listen'], [
      { host: '', port: 3478 },
      { host: '', port: 3479 },
    ]),
    tailnetDomain: pick('tailnet-domain', OPTIONS['tailnet-domain'], 'sett.internal'),
    logLevel: pick('log-level', OPTIONS['log-level'], 'info'),
    logFormat: pick('log-format', OPTIONS['log-format'], 'text'),
  }
}

/** The origin that clients use when none was configured: this machine's first address, and the port. */
export function deriveUrl(config: Pick<Config, 'listen' | 'tls'>, port: number, address: string | undefined): string {
  const named = config.listen[0]?.host ?? ''
  const anywhere = named === '' || named === '0.0.0.0' || named === '::'
  const host = anywhere ? (address ?? '127.0.0.1') : named
  return new URL(`${config.tls === 'off' ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${port}`)
    .origin
}
