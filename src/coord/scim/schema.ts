/**
 * The attributes of users and groups that are kept, as a directory is told of them, and how what it sends is read by
 * them: names in any case, `"False"` for false as Entra ID writes it. What is not kept is passed over. (RFC 7643 §2, §4)
 */

import { invalid, quoted } from './refusal.ts'

export const USER_URN = 'urn:ietf:params:scim:schemas:core:2.0:User'
export const GROUP_URN = 'urn:ietf:params:scim:schemas:core:2.0:Group'

export interface Attribute {
  readonly name: string
  readonly type: 'string' | 'boolean' | 'complex' | 'reference'
  readonly multiValued: boolean
  readonly description: string
  readonly required: boolean
  readonly caseExact?: boolean
  readonly mutability: 'readOnly' | 'readWrite' | 'immutable'
  readonly returned: 'always' | 'default'
  readonly uniqueness?: 'none' | 'server'
  readonly referenceTypes?: readonly string[]
  readonly canonicalValues?: readonly string[]
  readonly subAttributes?: readonly Attribute[]
}

type Json = { readonly [name: string]: unknown }
/** A resource as it is sent and answered; members that are kept, under the names they have here. */
export type Draft = { [name: string]: unknown }

export interface Schema {
  readonly urn: string
  readonly name: 'User' | 'Group'
  readonly description: string
  readonly attributes: readonly Attribute[]
}

function attribute(name: string, description: string, more: Partial<Attribute> = {}): Attribute {
  const { type = 'string' } = more
  const text = type === 'string' || type === 'reference'
  return {
    name,
    type,
    multiValued: false,
    description,
    required: false,
    ...(text ? { caseExact: false, uniqueness: 'none' } : {}),
    mutability: 'readWrite',
    returned: 'default',
    ...more,
  }
}

const readOnly = { mutability: 'readOnly' } as const
const complex = { type: 'complex' } as const

/** Common to all resources, and so in no schema. (RFC 7643 §3.1) */
const EXTERNAL_ID = attribute('externalId', 'The directory’s own id of it', { caseExact: true })

export const USER: Schema = {
  urn: USER_URN,
  name: 'User',
  description: 'A person of the tailnet',
  attributes: [
    attribute('userName', 'What the directory calls them; their login name where it is a mail address', {
      required: true,
      uniqueness: 'server',
    }),
    attribute('name', 'The parts of their name', {
      ...complex,
      subAttributes: [
        attribute('formatted', 'All of it, as it is shown'),
        attribute('familyName', 'Family name'),
        attribute('givenName', 'Given name'),
      ],
    }),
    attribute('displayName', 'The name that is shown'),
    attribute('emails', 'Mail addresses; the primary one is the login name where userName is none', {
      ...complex,
      multiValued: true,
      subAttributes: [
        attribute('value', 'The address'),
        attribute('type', 'What it is for', { canonicalValues: ['work', 'home', 'other'] }),
        attribute('primary', 'The one to use', { type: 'boolean' }),
      ],
    }),
    attribute('active', 'Whether they may take part, which is so if not said; otherwise they are suspended', {
      type: 'boolean',
      required: true,
    }),
    attribute('groups', 'Groups of the directory that they are in', {
      ...complex,
      ...readOnly,
      multiValued: true,
      subAttributes: [
        attribute('value', 'Id of the group', readOnly),
        attribute('$ref', 'Address of the group', { ...readOnly, type: 'reference', referenceTypes: ['Group'] }),
        attribute('display', 'Name of the group', readOnly),
        attribute('type', 'Always direct', { ...readOnly, canonicalValues: ['direct'] }),
      ],
    }),
  ],
}

export const GROUP: Schema = {
  urn: GROUP_URN,
  name: 'Group',
  description: 'A group, which policies call group:NAME@DOMAIN',
  attributes: [
    attribute('displayName', 'Name of the group', { required: true, uniqueness: 'server' }),
    attribute('members', 'Users of the directory that are in it', {
      ...complex,
      multiValued: true,
      subAttributes: [
        attribute('value', 'Id of the user', { mutability: 'immutable' }),
        attribute('$ref', 'Address of the user', {
          mutability: 'immutable',
          type: 'reference',
          referenceTypes: ['User'],
        }),
        attribute('type', 'Always User', { mutability: 'immutable', canonicalValues: ['User'] }),
      ],
    }),
  ],
}

/** Longest text of an attribute. */
const TEXT_MAX = 256
/** What is shown in tables, logs and terminals must not be able to move the cursor. */
const PRINTABLE = /^[^\p{Cc}\p{Zl}\p{Zp}]*$/u
/** Most values of an attribute. */
export const VALUES_MAX = 20_000

/** The attribute of this name in any case; `undefined`: it is not kept. */
export function attributeOf(schema: Schema, name: string): Attribute | undefined {
  return named([EXTERNAL_ID, ...schema.attributes], name)
}

export function named(attributes: readonly Attribute[] = [], name: string): Attribute | undefined {
  const lower = name.toLowerCase()
  return attributes.find((one) => one.name.toLowerCase() === lower)
}

/** Reads a resource as it was sent. What may not be written, and what is not kept, is left out. (RFC 7644 §3.5.1) */
export function readResource(schema: Schema, value: unknown): Draft {
  if (!isObject(value)) throw invalid('Want a JSON object', 'invalidSyntax')
  return readMembers([EXTERNAL_ID, ...schema.attributes], value)
}

function readMembers(attributes: readonly Attribute[], value: Json): Draft {
  const draft: Draft = {}
  for (const [name, member] of Object.entries(value)) {
    const attribute = named(attributes, name)
    if (attribute === undefined || attribute.mutability === 'readOnly') continue
    const read = readValue(attribute, member)
    if (read !== undefined) draft[attribute.name] = read
  }
  return draft
}

/** One value of an attribute, or all of a multi-valued one; `undefined`: none. */
export function readValue(attribute: Attribute, value: unknown): unknown {
  if (value === null || value === undefined) return undefined
  if (!attribute.multiValued) return readOne(attribute, value)
  const values = Array.isArray(value) ? (value as unknown[]) : [value]
  if (values.length > VALUES_MAX) throw invalid(`${attribute.name}: want at most ${VALUES_MAX} values`)
  return values.map((one) => readOne(attribute, one))
}

export function readOne(attribute: Attribute, value: unknown): unknown {
  const { name, type, subAttributes = [] } = attribute
  if (type === 'complex') {
    // Okta and Entra ID write the value alone where there is but one that matters.
    if (typeof value === 'string' && named(subAttributes, 'value') !== undefined)
      return readMembers(subAttributes, { value })
    if (!isObject(value)) throw invalid(`${name}: want an object`)
    return readMembers(subAttributes, value)
  }
  if (type === 'boolean') {
    const said = typeof value === 'string' ? { true: true, false: false }[value.toLowerCase()] : value
    if (typeof said !== 'boolean') throw invalid(`${name}: want true or false`)
    return said
  }
  if (typeof value !== 'string') throw invalid(`${name}: want a text`)
  if (value.length > TEXT_MAX || !PRINTABLE.test(value) || !value.isWellFormed())
    throw invalid(`${name}: want at most ${TEXT_MAX} characters and no control characters, not ${quoted(value)}`)
  return value
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
