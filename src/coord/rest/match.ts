/**
 * Finds the route of a request. Parameters are whole segments, decoded once and after the path was cut: an
 * encoded slash in an id stays a slash in an id, and never becomes another route.
 */

import { BASE_PATH } from '../../wire/api/route.ts'
import { ROUTE_IDS, routes } from '../../wire/api/routes.ts'
import type { RouteId } from '../../wire/api/routes.ts'

export type Match =
  | { readonly kind: 'route'; readonly id: RouteId; readonly params: Readonly<Record<string, string>> }
  | { readonly kind: 'wrong-method'; readonly allow: readonly string[] }
  /** Tailscale's API has something here, and this server does not. */
  | { readonly kind: 'unserved' }
  | { readonly kind: 'unknown' }

const templates = ROUTE_IDS.map((id) => ({ id, method: routes[id].method, parts: routes[id].path.slice(1).split('/') }))

/** @param path The path as it stands in the URL, percent signs and all. */
export function matchRoute(method: string, path: string): Match {
  if (!path.startsWith(`${BASE_PATH}/`)) return { kind: 'unknown' }
  const parts = path.slice(BASE_PATH.length + 1).split('/')
  if (parts[0] === 'tailnet' && parts[2] === OTHER_NAME) parts[2] = 'services'
  const allow: string[] = []
  for (const template of templates) {
    const params = fit(template.parts, parts)
    if (params === undefined) continue
    if (template.method === method) return { kind: 'route', id: template.id, params }
    allow.push(template.method)
  }
  if (isUnserved(method, parts)) return { kind: 'unserved' }
  return allow.length > 0 ? { kind: 'wrong-method', allow } : { kind: 'unknown' }
}

/** What clients call the collection of Services, in the place of `services`. (api-v2.md §4.11) */
const OTHER_NAME = 'vip-services'

/** Parts of the catalogue (api-v2.md §4) that are not served, by the segment that begins them. */
const UNSERVED: ReadonlySet<string> = new Set('device-invites logging oauth-apps organizations'.split(' '))

/** Clients take "not found" for "deleted" and drop what they know, so what is merely missing must not say that. */
function isUnserved(method: string, [first, , third]: readonly string[]): boolean {
  if (first === 'tailnet' && third === undefined) return method === 'DELETE'
  return UNSERVED.has((first === 'tailnet' || first === 'device' ? third : first) ?? '')
}

function fit(template: readonly string[], parts: readonly string[]): Record<string, string> | undefined {
  if (template.length !== parts.length) return undefined
  const params: Record<string, string> = {}
  for (const [i, want] of template.entries()) {
    const part = parts[i] as string
    if (!want.startsWith('{')) {
      if (part !== want) return undefined
      continue
    }
    const text = decode(part)
    if (text === undefined || text === '') return undefined
    params[want.slice(1, -1)] = text
  }
  return params
}

function decode(part: string): string | undefined {
  try {
    return decodeURIComponent(part)
  } catch {
    return undefined
  }
}
