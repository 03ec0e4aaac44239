/** The DNS configuration in a map (control.md §8.1), read as Go reads it. What follows from it is the dns stage's. */

import { listOf, mapOf, orNull, readFields, readText } from '../base/go-json.ts'
import type { JsonReader } from '../base/go-json.ts'

export interface Resolver {
  /** An address, with a port or without, or the URL of DNS over HTTPS. */
  readonly Addr: string
  readonly BootstrapResolution?: readonly string[]
  readonly UseWithExitNode?: boolean
}

export interface DnsRecord {
  readonly Name: string
  /** '' stands for the one that fits the value. */
  readonly Type?: string
  readonly Value: string
}

/** A field that is absent says nothing. */
export interface DnsConfig {
  readonly Resolvers?: readonly Resolver[]
  /** By suffix; no resolvers: answered by the node itself. */
  readonly Routes?: ReadonlyMap<string, readonly Resolver[]>
  readonly FallbackResolvers?: readonly Resolver[]
  readonly Domains?: readonly string[]
  readonly Proxied?: boolean
  readonly Nameservers?: readonly string[]
  readonly CertDomains?: readonly string[]
  readonly ExtraRecords?: readonly DnsRecord[]
  readonly ExitNodeFilteredSet?: readonly string[]
}

const readTexts = listOf(orNull(readText, ''))

export const readResolver: JsonReader<Resolver> = (value, path) => {
  const fields = readFields(value ?? {}, path)
  const bootstrap = fields.optional('BootstrapResolution', readTexts) ?? []
  return {
    Addr: fields.text('Addr'),
    ...(bootstrap.length === 0 ? {} : { BootstrapResolution: bootstrap }),
    ...(fields.bool('UseWithExitNode') ? { UseWithExitNode: true } : {}),
  }
}

const readRecord: JsonReader<DnsRecord> = (value, path) => {
  const fields = readFields(value ?? {}, path)
  const type = fields.text('Type')
  return { Name: fields.text('Name'), ...(type === '' ? {} : { Type: type }), Value: fields.text('Value') }
}

const readResolvers = orNull(listOf(readResolver), [])

/** Throws `json/malformed`. */
export const readDnsConfig: JsonReader<DnsConfig> = (value, path) => {
  const fields = readFields(value, path)
  const config: Record<string, unknown> = {}
  for (const name of ['Resolvers', 'FallbackResolvers']) keep(config, name, fields.optional(name, readResolvers))
  for (const name of ['Domains', 'Nameservers', 'CertDomains', 'ExitNodeFilteredSet'])
    keep(config, name, fields.optional(name, readTexts))
  const routes = fields.optional('Routes', mapOf(readResolvers))
  if (routes !== undefined && routes.size > 0) config['Routes'] = routes
  keep(config, 'ExtraRecords', fields.optional('ExtraRecords', listOf(readRecord)))
  if (fields.bool('Proxied')) config['Proxied'] = true
  return config
}

function keep(config: Record<string, unknown>, name: string, list: readonly unknown[] | undefined): void {
  if (list !== undefined && list.length > 0) config[name] = list
}
