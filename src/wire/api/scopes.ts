/**
 * What a credential may be limited to: scopes, their read forms, and the names that old credentials carry.
 * (api-v2.md §2.4)
 */

export const SCOPES = [
  'all',
  'devices:core',
  'devices:routes',
  'devices:posture_attributes',
  'device_invites',
  'policy_file',
  'dns',
  'auth_keys',
  'oauth_keys',
  'federated_keys',
  'api_access_tokens',
  'users',
  'webhooks',
  'log_streaming',
  'logs:configuration',
  'logs:network',
  'account_settings',
  'feature_settings',
  'networking_settings',
  'services',
  'oauth_apps',
  'tailnets',
] as const
export type Scope = (typeof SCOPES)[number]
export type Act = 'read' | 'write'

const known: ReadonlySet<string> = new Set(SCOPES)

/** Names of old credentials, and what they stand for. */
const LEGACY: Readonly<Record<string, readonly Scope[]>> = {
  acl: ['policy_file'],
  devices: ['devices:core', 'devices:posture_attributes', 'auth_keys'],
  routes: ['devices:routes'],
  logs: ['logs:configuration'],
  'network-logs': ['logs:network'],
}

function split(granted: string): { readonly name: string; readonly act: Act } {
  return granted.endsWith(':read') ? { name: granted.slice(0, -5), act: 'read' } : { name: granted, act: 'write' }
}

export function isScope(text: string): boolean {
  const { name } = split(text)
  return known.has(name) || Object.hasOwn(LEGACY, name)
}

/** Does what was granted cover this scope? Write implies read; `all` implies everything; the unknown nothing. */
export function grants(granted: readonly string[], scope: Scope, act: Act): boolean {
  return granted.some((text) => {
    const given = split(text)
    if (act === 'write' && given.act === 'read') return false
    if (given.name === 'all' || given.name === scope) return true
    return Object.hasOwn(LEGACY, given.name) && (LEGACY[given.name] as readonly Scope[]).includes(scope)
  })
}

/** What a scope, as it is written, stands for. It must be one. */
export function meaningOf(text: string): { readonly scopes: readonly Scope[]; readonly act: Act } {
  const { name, act } = split(text)
  return { scopes: Object.hasOwn(LEGACY, name) ? (LEGACY[name] as readonly Scope[]) : [name as Scope], act }
}

/** Is everything that `wanted` allows also allowed by `granted`? */
export function covers(granted: readonly string[], wanted: readonly string[]): boolean {
  return wanted.every((text) => {
    const { scopes, act } = meaningOf(text)
    return scopes.every((scope) => grants(granted, scope, act))
  })
}
