/** `app` of `nodeAttrs`: what app connectors are told. Handed on as written; only what refers to tags is read. (policy.md §11) */

import { quoteText } from '../hujson/errors.ts'
import { capabilityFault } from './capabilities.ts'
import type { Names } from './names.ts'
import { fieldNames } from './part.ts'
import type { Part } from './part.ts'
import { PolicyRefusal } from './refusal.ts'

const APP_CONNECTORS = 'tailscale.com/app-connectors'
const FIELDS = fieldNames('name', 'connectors', 'domains', 'routes', 'presets')

/** Capability name to its values. */
export function readAppConnectors(section: Part, names: Names): ReadonlyMap<string, readonly unknown[]> {
  const app = new Map<string, readonly unknown[]>()
  for (const { name, at, value } of section.entries()) {
    const fault = name === APP_CONNECTORS ? undefined : capabilityFault(name)
    if (fault !== undefined) throw new PolicyRefusal(fault, at)
    const parts = value.isNull ? [] : value.list()
    if (name === APP_CONNECTORS) for (const part of parts) checkConnector(part, names)
    app.set(
      name,
      parts.map((part) => part.json()),
    )
  }
  return app
}

function checkConnector(part: Part, { tags }: Names): void {
  const fields = part.fields(FIELDS)
  fields.get('name')?.string()
  fields.verbatim('domains')
  fields.verbatim('routes')
  for (const { text, at } of fields.words('connectors')) {
    if (!text.startsWith('tag:'))
      throw new PolicyRefusal(`${APP_CONNECTORS}: connector (${quoteText(text)}) must be a tag`, at)
    if (!tags.has(text)) throw new PolicyRefusal(`tag not found: ${quoteText(text)}`, at)
  }
}
