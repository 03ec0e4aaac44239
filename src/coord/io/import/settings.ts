/** Headscale's settings, as far as they say something about what is brought over. */

import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parse } from 'yaml'
import { MeshError } from '../../../base/errors.ts'

export interface HeadscaleSettings {
  readonly serverUrl?: string
  readonly baseDomain?: string
  readonly noiseKey?: string
  /** Database of SQLite, and whether it is another one. */
  readonly database?: string
  readonly postgres: boolean
  /** The policy is the database's; else it is in a file, or there is none. */
  readonly policyInDatabase: boolean
  readonly policyFile?: string
  readonly oidcIssuer?: string
  readonly dns?: HeadscaleDns
}

export interface HeadscaleDns {
  readonly magicDNS: boolean
  readonly overrideLocalDNS: boolean
  readonly nameservers: readonly string[]
  readonly split: Readonly<Record<string, readonly string[]>>
  readonly searchDomains: readonly string[]
  /** File of records that could not be read, and why. */
  readonly unread?: string
  readonly extraRecords: readonly { readonly name: string; readonly value: string }[]
}

/** Paths in it are relative to where it lies. @throws MeshError `config/invalid` */
export function readSettings(file: string): HeadscaleSettings {
  let root: unknown
  try {
    root = parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? 'there is no such file' : message
    throw new MeshError('config/invalid', `Cannot read Headscale's settings ${file}: ${why}`, { cause })
  }
  const at = (path: string): unknown =>
    path.split('.').reduce<unknown>((value, name) => (isObject(value) ? value[name] : undefined), root)
  const text = (path: string): string | undefined => {
    const value = at(path)
    return typeof value === 'string' && value !== '' ? value : undefined
  }
  const path = (name: string): string | undefined => {
    const value = text(name)
    return value === undefined ? undefined : resolve(dirname(resolve(file)), value)
  }
  const dns = dnsOf(at, path)
  return {
    ...given('serverUrl', text('server_url')),
    ...given('baseDomain', text('dns.base_domain') ?? text('dns_config.base_domain')),
    ...given('noiseKey', path('noise.private_key_path')),
    ...given('database', path('database.sqlite.path') ?? path('db_path')),
    postgres: (text('database.type') ?? text('db_type') ?? '').startsWith('postgres'),
    // A file is the default.
    policyInDatabase: text('policy.mode') === 'database',
    ...given('policyFile', text('policy.mode') === 'database' ? undefined : path('policy.path')),
    ...given('oidcIssuer', text('oidc.issuer')),
    ...given('dns', dns),
  }
}

function dnsOf(at: (path: string) => unknown, path: (name: string) => string | undefined): HeadscaleDns | undefined {
  if (!isObject(at('dns'))) return undefined
  const split = at('dns.nameservers.split')
  const file = path('dns.extra_records_path')
  const records = file === undefined ? at('dns.extra_records') : readRecords(file)
  return {
    magicDNS: at('dns.magic_dns') !== false,
    overrideLocalDNS: at('dns.override_local_dns') !== false,
    nameservers: texts(at('dns.nameservers.global')),
    split: Object.fromEntries(Object.entries(isObject(split) ? split : {}).map(([domain, of]) => [domain, texts(of)])),
    searchDomains: texts(at('dns.search_domains')),
    ...(file === undefined || Array.isArray(records) ? {} : { unread: `${file}: ${String(records)}` }),
    extraRecords: (Array.isArray(records) ? records : [])
      .filter(isObject)
      .map(({ name, value }) => ({ name: String(name), value: String(value) })),
  }
}

/** A list of records in a file of their own, as JSON; why it can't be read, if so. */
function readRecords(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as unknown
  } catch (cause) {
    return (cause as Error).message
  }
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : []
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function given<K extends string, T>(name: K, value: T | undefined): { readonly [name in K]?: T } {
  return (value === undefined ? {} : { [name]: value }) as { readonly [name in K]?: T }
}
