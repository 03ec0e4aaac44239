/** `autoApprovers`: whose routes, exit nodes and services need no administrator's consent. (policy.md §10) */

import { isServiceName } from '../../base/dns-name.ts'
import { maskPrefix, parsePrefix } from '../../base/ip.ts'
import { quoteText } from '../hujson/errors.ts'
import type { AutoApprovers, Selector } from '../policy.ts'
import type { Steps } from '../steps.ts'
import type { Names } from './names.ts'
import { fieldNames } from './part.ts'
import type { Part } from './part.ts'
import { PolicyRefusal } from './refusal.ts'
import { isFault, isLegal, readSelector } from './selectors.ts'

const FIELDS = fieldNames('routes', 'exitNode', 'services')

export const NO_APPROVERS: AutoApprovers = { routes: [], exitNode: [], services: new Map() }

export function* readAutoApprovers(section: Part, names: Names): Steps<AutoApprovers> {
  const fields = section.fields(FIELDS)
  const routes: AutoApprovers['routes'][number][] = []
  for (const { name, at, value } of yield* fields.entries('routes')) {
    if (section.pace.spent()) yield
    const prefix = parsePrefix(name)
    if (prefix === undefined)
      throw new PolicyRefusal(`${value.what}: a route must be a prefix, such as "10.0.0.0/8"`, at)
    routes.push({ prefix: maskPrefix(prefix), at, approvers: yield* readApprovers(value, names) })
  }
  const exitNode = fields.get('exitNode')
  const services = new Map<string, readonly Selector[]>()
  for (const { name, at, value } of yield* fields.entries('services')) {
    if (section.pace.spent()) yield
    if (name.startsWith('tag:') && !names.tags.has(name))
      throw new PolicyRefusal(`tag not found: ${quoteText(name)}`, at)
    if (!name.startsWith('tag:') && !isServiceName(name))
      throw new PolicyRefusal(`${value.what}: want a service, such as "svc:web", or a tag`, at)
    services.set(name, yield* readApprovers(value, names))
  }
  return { routes, exitNode: exitNode === undefined ? [] : yield* readApprovers(exitNode, names), services }
}

function* readApprovers(part: Part, names: Names): Steps<Selector[]> {
  if (part.isNull) return []
  return yield* part.eachWord((written) => {
    const read = readSelector(written, names)
    if (isFault(read)) throw new PolicyRefusal(read.fault, written.at)
    if (isLegal(read, 'approver')) return read
    throw new PolicyRefusal(
      `${part.what}: ${quoteText(written.text)}: approvers must be users, groups, tags or autogroups`,
      written.at,
    )
  })
}
