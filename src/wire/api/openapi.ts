/** The OpenAPI 3.1 document of the REST API, made from the table of routes and its schemas. */

import * as z from 'zod'
import { Contacts, PostureIntegration, UserInvite } from './account-objects.ts'
import { DIFF_OBJECTS } from './diff-objects.ts'
import { DNS_OBJECTS } from './dns-objects.ts'
import { EXPLAIN_OBJECTS } from './explain-objects.ts'
import { AddressHistory, Login, ServerStatus, Tailnet } from './sett-objects.ts'
import {
  Device,
  DeviceRoutes,
  Key,
  KeyCapabilities,
  Place,
  PostureAttributes,
  Problem,
  TailnetSettings,
  User,
} from './objects.ts'
import {
  CheckReport,
  PolicyProposal,
  PolicyVersion,
  Preview,
  PreviewMatch,
  Proposed,
  Verdict,
} from './policy-objects.ts'
import { REPORT_OBJECTS } from './report-objects.ts'
import { ROUTING_OBJECTS } from './routing-objects.ts'
import { ServiceHost, VipService } from './service-objects.ts'
import { BASE_PATH, FORM, HUJSON } from './route.ts'
import type { RouteShape } from './route.ts'
import { ROUTE_IDS, routes } from './routes.ts'
import { AccessToken } from './routes/oauth.ts'
import { PolicyBody } from './routes/policy.ts'

export type Json = { readonly [member: string]: unknown }

const OBJECTS = {
  Device,
  DeviceRoutes,
  PostureAttributes,
  Key,
  KeyCapabilities,
  User,
  UserInvite,
  Contacts,
  VIPService: VipService,
  ServiceHost,
  PostureIntegration,
  AccessToken,
  TailnetSettings,
  Error: Problem,
  Login,
  Tailnet,
  AddressHistory,
  ServerStatus,
  Place,
  Verdict,
  Preview,
  PreviewMatch,
  PolicyVersion,
  PolicyProposal,
  Proposed,
  CheckReport,
  ...DNS_OBJECTS,
  ...ROUTING_OBJECTS,
  ...EXPLAIN_OBJECTS,
  ...DIFF_OBJECTS,
  ...REPORT_OBJECTS,
} as const
/** What requests of several routes have in common. */
const BODIES = { Policy: PolicyBody } as const

const pointer = (name: string) => `#/components/schemas/${name}`

/** The whole document. It is the same for everybody. */
export function openApiDocument(version: string): Json & { openapi: string } {
  const { schemas, refs } = componentSchemas()
  const paths: Record<string, Record<string, Json>> = {}
  for (const id of ROUTE_IDS) {
    const shape: RouteShape = routes[id]
    const operations = (paths[shape.path] ??= {})
    operations[shape.method.toLowerCase()] = operation(id, shape, refs)
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Sett',
      version,
      description: 'The REST API of a Sett server: Tailscale’s API v2, and what Sett adds below /sett.',
    },
    servers: [{ url: BASE_PATH }],
    security: [{ bearer: [] }, { basic: [] }],
    paths,
    components: {
      schemas,
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'An API token, `tskey-api-…`' },
        basic: { type: 'http', scheme: 'basic', description: 'An API token as user name, without a password' },
      },
    },
  }
}

/** Every schema under a name of its own, so that each is written once and referred to. */
function componentSchemas(): { schemas: Record<string, Json>; refs: ReadonlyMap<z.ZodType, string> } {
  const refs = new Map<z.ZodType, string>()
  const inputs = z.registry<{ id: string }>()
  const outputs = z.registry<{ id: string }>()
  for (const [name, schema] of Object.entries(OBJECTS)) {
    outputs.add(schema, { id: name })
    refs.set(schema, name)
  }
  for (const [name, schema] of Object.entries(BODIES)) {
    inputs.add(schema, { id: name })
    refs.set(schema, name)
  }
  for (const id of ROUTE_IDS) {
    const shape: RouteShape = routes[id]
    const name = `${(id[0] as string).toUpperCase()}${id.slice(1)}`
    if (shape.body !== undefined && !refs.has(shape.body)) {
      inputs.add(shape.body, { id: `${name}Request` })
      refs.set(shape.body, `${name}Request`)
    }
    if (shape.reply !== undefined && shape.gives === undefined && !refs.has(shape.reply)) {
      outputs.add(shape.reply, { id: `${name}Reply` })
      refs.set(shape.reply, `${name}Reply`)
    }
  }
  const schemas = {
    ...z.toJSONSchema(outputs, { uri: pointer, io: 'output' }).schemas,
    ...z.toJSONSchema(inputs, { uri: pointer, io: 'input' }).schemas,
  }
  return { schemas: Object.fromEntries(Object.entries(schemas).map(([name, s]) => [name, embedded(s)])), refs }
}

/** A schema as part of a document: its dialect and its place are the document's to say. */
function embedded(schema: object): Json {
  const { $schema: _dialect, $id: _place, id: _id, ...rest } = schema as Json
  return rest
}

function operation(id: string, shape: RouteShape, refs: ReadonlyMap<z.ZodType, string>): Json {
  const { access } = shape
  const json = (schema: z.ZodType, type = 'application/json') => ({
    [type]: { schema: { $ref: pointer(refs.get(schema) as string) } },
  })
  // The same policy as JSON is whatever its text says.
  const policy = { [HUJSON]: { schema: { $ref: pointer('Policy') } }, 'application/json': { schema: {} } }
  const content = (body: z.ZodType, takes: RouteShape['takes']) =>
    takes === 'hujson' ? policy : json(body, takes === 'form' ? FORM : undefined)
  return {
    operationId: id,
    tags: [shape.group],
    summary: shape.summary,
    description:
      access.kind === 'scope'
        ? `Needs the scope ${access.any.join(' or ')} (${access.act}).`
        : access.kind === 'server'
          ? 'For the administrator of the server, over its socket.'
          : access.kind === 'self'
            ? 'For clients, which prove it by the body.'
            : 'For any valid credential.',
    ...(access.kind === 'self' ? { security: [] } : {}),
    parameters: [
      ...parameters(shape.params, 'path'),
      ...parameters(shape.query, 'query'),
      ...parameters(shape.headers, 'header'),
    ],
    ...(shape.body === undefined ? {} : { requestBody: { required: true, content: content(shape.body, shape.takes) } }),
    responses: {
      200: {
        description: 'Done',
        ...(shape.gives !== undefined
          ? { headers: { ETag: { schema: { type: 'string' } } }, content: policy }
          : shape.reply === undefined
            ? {}
            : { content: json(shape.reply) }),
      },
      ...(shape.pending === undefined
        ? {}
        : { 202: { description: 'Noted, and not done yet', content: json(shape.pending) } }),
      default: {
        description: 'Refused',
        content: { 'application/json': { schema: { $ref: pointer('Error') } } },
      },
    },
  }
}

function parameters(schema: z.ZodObject | undefined, place: 'path' | 'query' | 'header'): Json[] {
  if (schema === undefined) return []
  // OpenAPI has another place for what `Accept` says: the content of the answers.
  const members = Object.entries(schema.shape).filter(([name]) => place !== 'header' || name !== 'accept')
  return members.map(([name, member]) => {
    const { description, ...rest } = embedded(z.toJSONSchema(member as z.ZodType, { io: 'input' }))
    return {
      name,
      in: place,
      required: place === 'path',
      ...(description === undefined ? {} : { description }),
      schema: rest,
    }
  })
}
