/** The OpenAPI document against the rules of OpenAPI 3.1 that readers of it rely on, and against the routes. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as z from 'zod'
import { openApiDocument } from './openapi.ts'
import { ROUTE_IDS, routes } from './routes.ts'
import type { RouteShape } from './route.ts'

const document = JSON.parse(JSON.stringify(openApiDocument('1.2.3')))

/** JSON Schema as far as the document uses it; strict, so that a stray keyword is seen. */
const Schema: z.ZodType = z.lazy(() =>
  z.strictObject({
    $ref: z.string().optional(),
    type: z.union([z.string(), z.array(z.string())]).optional(),
    description: z.string().optional(),
    format: z.string().optional(),
    pattern: z.string().optional(),
    enum: z.array(z.union([z.string(), z.number()])).optional(),
    const: z.unknown().optional(),
    default: z.unknown().optional(),
    minimum: z.number().optional(),
    maximum: z.number().optional(),
    minLength: z.number().optional(),
    maxLength: z.number().optional(),
    minItems: z.number().optional(),
    maxItems: z.number().optional(),
    items: Schema.optional(),
    oneOf: z.array(Schema).optional(),
    anyOf: z.array(Schema).optional(),
    properties: z.record(z.string(), Schema).optional(),
    propertyNames: Schema.optional(),
    required: z.array(z.string()).optional(),
    additionalProperties: z.union([z.boolean(), Schema]).optional(),
  }),
)
const Content = z.strictObject({
  'application/json': z.strictObject({ schema: z.strictObject({ $ref: z.string().optional() }) }),
  'application/hujson': z.strictObject({ schema: z.strictObject({ $ref: z.string() }) }).optional(),
})
const Form = z.strictObject({
  'application/x-www-form-urlencoded': z.strictObject({ schema: z.strictObject({ $ref: z.string() }) }),
})
const Operation = z.strictObject({
  operationId: z.string(),
  security: z.tuple([]).optional(),
  tags: z.array(z.string()).min(1),
  summary: z.string().min(1),
  description: z.string().min(1),
  parameters: z.array(
    z.strictObject({
      name: z.string(),
      in: z.enum(['path', 'query', 'header']),
      required: z.boolean(),
      description: z.string().optional(),
      schema: Schema,
    }),
  ),
  requestBody: z.strictObject({ required: z.boolean(), content: z.union([Content, Form]) }).optional(),
  responses: z.strictObject({
    200: z.strictObject({
      description: z.string(),
      headers: z.record(z.string(), z.strictObject({ schema: Schema })).optional(),
      content: Content.optional(),
    }),
    202: z.strictObject({ description: z.string(), content: Content }).optional(),
    default: z.strictObject({ description: z.string(), content: Content }),
  }),
})
const Document = z.strictObject({
  openapi: z.literal('3.1.0'),
  info: z.strictObject({ title: z.string(), version: z.string(), description: z.string() }),
  servers: z.array(z.strictObject({ url: z.string() })),
  security: z.array(z.record(z.string(), z.array(z.string()))),
  paths: z.record(
    z.templateLiteral(['/', z.string()]),
    z.partialRecord(z.enum(['get', 'post', 'put', 'patch', 'delete']), Operation),
  ),
  components: z.strictObject({
    schemas: z.record(z.string().regex(/^[A-Za-z0-9]+$/), Schema),
    securitySchemes: z.record(
      z.string(),
      z.strictObject({ type: z.literal('http'), scheme: z.string(), description: z.string() }),
    ),
  }),
})

test('it is an OpenAPI document', () => {
  Document.parse(document)
  for (const requirement of document.security)
    for (const name of Object.keys(requirement)) assert.ok(name in document.components.securitySchemes)
})

test('every reference leads somewhere, and every schema is referred to', () => {
  const refs = new Set(JSON.stringify(document).match(/#\/components\/schemas\/\w+/g))
  const names = Object.keys(document.components.schemas).map((name) => `#/components/schemas/${name}`)
  assert.deepEqual([...refs].sort(), names.sort())
})

test('every route is an operation, with the parameters of its path and nothing else there', () => {
  const operations = Object.values(document.paths).flatMap(
    (path) => Object.values(path as object) as { operationId: string }[],
  )
  assert.deepEqual(operations.map(({ operationId }) => operationId).sort(), [...ROUTE_IDS].sort())
  for (const id of ROUTE_IDS) {
    const shape: RouteShape = routes[id]
    const { parameters, requestBody, responses } = document.paths[shape.path][shape.method.toLowerCase()]
    const inPath = parameters.filter((parameter: any) => parameter.in === 'path')
    const wanted = [...shape.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
    assert.deepEqual(
      inPath.map(({ name }: { name: string }) => name),
      wanted,
      id,
    )
    assert.ok(
      inPath.every(({ required }: { required: boolean }) => required),
      id,
    )
    assert.equal(requestBody !== undefined, shape.body !== undefined, id)
    assert.equal(responses[200].content !== undefined, shape.reply !== undefined, id)
    // A policy goes either way as text or as JSON; everything else is JSON, or a form, in a shape of its own.
    const content = (body: any) => Object.keys(body?.content ?? {}).sort()
    const either = ['application/hujson', 'application/json']
    if (shape.takes === 'hujson') assert.deepEqual(content(requestBody), either, id)
    else if (shape.takes === 'form') assert.deepEqual(content(requestBody), ['application/x-www-form-urlencoded'], id)
    else if (requestBody !== undefined) assert.ok(requestBody.content['application/json'].schema.$ref, id)
    if (shape.gives !== undefined)
      assert.deepEqual([content(responses[200]), 'ETag' in responses[200].headers], [either, true], id)
    else if (shape.reply !== undefined) assert.ok(responses[200].content['application/json'].schema.$ref, id)
  }
})

test('an object is written once, under its own name', () => {
  const { schemas } = document.components
  for (const name of ['Device', 'DeviceRoutes', 'PostureAttributes', 'Key', 'User', 'TailnetSettings', 'Error'])
    assert.equal(schemas[name].type, 'object', name)
  assert.deepEqual(schemas.ListDevicesReply.properties.devices.items, { $ref: '#/components/schemas/Device' })
  assert.ok(schemas.Device.required.includes('connectedToControl'))
  assert.ok(!schemas.Device.required.includes('tags'))
  // What has a default may be left out of a request.
  assert.equal(schemas.CreateKeyRequest.required, undefined)
})
