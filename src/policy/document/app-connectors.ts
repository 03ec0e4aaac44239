/** `app` of `nodeAttrs`: what app connectors are told. Handed on as written; only what refers to tags is read. (policy.md §11) */

import { quoteText } from '../hujson/errors.ts'
import type { Steps } from '../steps.ts'
import { capabilityFault } from './capabilities.ts'
import type { Names } from './names.ts'
import { fieldNames } from './part.ts'
import type { Part } from './part.ts'
import { PolicyRefusal } from './refusal.ts'

const APP_CONNECTORS = 'tailscale.com/app-connectors'
const FIELDS = fieldNames('name', 'connectors', 'domains', 'routes', 'presets')

/** Capability name to its values. */
export function* readAppConnectors(section: Part, names: Names): Steps<ReadonlyMap<string, readonly unknown[]>> {
  const app = new Map<string, readonly unknown[]>()
  for (const { name, at, value } of yield* section.entries()) {
    const fault = name === APP_CONNECTORS ? undefined : capabilityFault(name)
    if (fault !== undefined) throw new PolicyRefusal(fault, at)
    if (name === APP_CONNECTORS && !value.isNull) yield* value.each((part) => checkConnector(part, names))
    app.set(name, value.isNull ? [] : yield* value.each((part) => part.json()))
  }
  return app
}

function* checkConnector(part: Part, { tags }: Names): Steps<void> {
  const fields = part.fields(FIELDS)
  fields.get('name')?.string()
  yield* fields.verbatim('domains')
  yield* fields.verbatim('routes')
  for (const { text, at } of yield* fields.words('connectors')) {
    if (!text.startsWith('tag:'))
      throw new PolicyRefusal(`${APP_CONNECTORS}: connector (${quoteText(text)}) must be a tag`, at)
    if (!tags.has(text)) throw new PolicyRefusal(`tag not found: ${quoteText(text)}`, at)
  }
}
