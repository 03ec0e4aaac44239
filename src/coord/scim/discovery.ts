/** What a directory is told of this server before it pushes anything. (RFC 7643 §5 to §7, RFC 7644 §4) */

import { LIST_URN, PAGE_MAX } from './list.ts'
import { ScimRefusal } from './refusal.ts'
import { GROUP, USER } from './schema.ts'
import type { Attribute, Schema } from './schema.ts'

const CONFIG_URN = 'urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig'
const TYPE_URN = 'urn:ietf:params:scim:schemas:core:2.0:ResourceType'
const SCHEMA_URN = 'urn:ietf:params:scim:schemas:core:2.0:Schema'

export function serviceProviderConfig(base: string): object {
  return {
    schemas: [CONFIG_URN],
    patch: { supported: true },
    bulk: { supported: false, maxOperations: 0, maxPayloadSize: 0 },
    filter: { supported: true, maxResults: PAGE_MAX },
    changePassword: { supported: false },
    sort: { supported: false },
    etag: { supported: false },
    authenticationSchemes: [
      {
        type: 'oauthbearertoken',
        name: 'Bearer token',
        description: 'A token that an administrator of the tailnet made for this directory',
        primary: true,
      },
    ],
    meta: { resourceType: 'ServiceProviderConfig', location: `${base}/ServiceProviderConfig` },
  }
}

export function resourceTypes(base: string): readonly Named[] {
  return [USER, GROUP].map(({ name, urn, description }) => ({
    schemas: [TYPE_URN],
    id: name,
    name,
    description,
    endpoint: `/${name}s`,
    schema: urn,
    meta: { resourceType: 'ResourceType', location: `${base}/ResourceTypes/${name}` },
  }))
}

export function schemas(base: string): readonly Named[] {
  return [USER, GROUP].map(({ name, urn, description, attributes }: Schema) => ({
    schemas: [SCHEMA_URN],
    id: urn,
    name,
    description,
    attributes: attributes.map(viewAttribute),
    meta: { resourceType: 'Schema', location: `${base}/Schemas/${urn}` },
  }))
}

/** An attribute as the RFC orders its characteristics; those that say nothing are left out. */
function viewAttribute({ subAttributes, ...attribute }: Attribute): object {
  return {
    ...attribute,
    ...(subAttributes === undefined ? {} : { subAttributes: subAttributes.map(viewAttribute) }),
  }
}

interface Named {
  readonly id: string
  readonly [name: string]: unknown
}

/** All of them, or the one of that id. Lists of these are not filtered. (RFC 7644 §4) */
export function oneOrAll(all: readonly Named[], id: string | undefined, query: URLSearchParams): object {
  if (query.has('filter')) throw new ScimRefusal(403, 'These are not filtered: ask for all')
  if (id === undefined)
    return { schemas: [LIST_URN], totalResults: all.length, itemsPerPage: all.length, startIndex: 1, Resources: all }
  const found = all.find((one) => one.id.toLowerCase() === id.toLowerCase())
  if (found === undefined) throw new ScimRefusal(404, 'There is nothing of this name')
  return found
}
