/**
 * What an ACME server says, read from JSON (RFC 8555, 7.1). Members that we have no use for are passed over; one that
 * is missing or of another kind makes the whole message unusable, and the complaint names it.
 */

export interface Directory {
  readonly newNonce: string
  readonly newAccount: string
  readonly newOrder: string
  readonly terms: string | undefined
  readonly wantsExternalAccount: boolean
}

export interface Order {
  readonly status: 'pending' | 'ready' | 'processing' | 'valid' | 'invalid'
  readonly authorizations: readonly string[]
  readonly finalize: string
  readonly certificate: string | undefined
  readonly error: Problem | undefined
}

export interface Challenge {
  readonly type: string
  readonly url: string
  readonly token: string
  readonly status: string
  readonly error: Problem | undefined
}

export interface Authorization {
  readonly status: 'pending' | 'valid' | 'invalid' | 'deactivated' | 'expired' | 'revoked'
  readonly name: string
  readonly challenges: readonly Challenge[]
}

/** Why something was refused (RFC 7807). */
export interface Problem {
  /** Without the usual beginning: `badNonce`, `rateLimited`. */
  readonly type: string
  readonly detail: string
}

/** A message that cannot be used, and why. */
export class Unreadable {
  readonly why: string
  constructor(why: string) {
    this.why = why
  }
}

/** Addresses are requested as they stand: nothing but TLS, and nothing endless. */
const ADDRESS = /^https:\/\/[^\s"<>\\^`{|}]{1,2000}$/
/** At least the 128 bits that are wanted of a token would be 22 characters; whoever gives fewer harms itself. */
const TOKEN = /^[A-Za-z0-9_-]{1,200}$/
const PROBLEM = 'urn:ietf:params:acme:error:'
const MOST_DETAIL = 500
const MOST_LISTED = 100

type Json = Readonly<Record<string, unknown>>

/** Reads one kind of message. */
export type Reader<T> = (json: Json) => T

/** @param text The body of an answer */
export function read<T>(text: string, reader: Reader<T>): T | Unreadable {
  try {
    return reader(object(JSON.parse(text), 'the answer'))
  } catch (error) {
    return new Unreadable(error instanceof Wrong ? error.message : 'it is no JSON')
  }
}

export const readDirectory: Reader<Directory> = (json) => {
  const meta = json['meta'] === undefined ? {} : object(json['meta'], 'meta')
  return {
    newNonce: address(json, 'newNonce'),
    newAccount: address(json, 'newAccount'),
    newOrder: address(json, 'newOrder'),
    terms: typeof meta['termsOfService'] === 'string' ? printable(meta['termsOfService']) : undefined,
    wantsExternalAccount: meta['externalAccountRequired'] === true,
  }
}

export const readOrder: Reader<Order> = (json) => ({
  status: oneOf(json, 'status', ['pending', 'ready', 'processing', 'valid', 'invalid']),
  authorizations: list(json, 'authorizations').map((each) => address({ authorization: each }, 'authorization')),
  finalize: address(json, 'finalize'),
  certificate: json['certificate'] === undefined ? undefined : address(json, 'certificate'),
  error: problemIn(json),
})

export const readAuthorization: Reader<Authorization> = (json) => ({
  status: oneOf(json, 'status', ['pending', 'valid', 'invalid', 'deactivated', 'expired', 'revoked']),
  name: text(object(json['identifier'], 'identifier'), 'value').toLowerCase(),
  // Kinds that we don't know may look as they like.
  challenges: list(json, 'challenges').flatMap((each) => {
    const challenge = object(each, 'challenges')
    const found = challenge['token']
    if (typeof found !== 'string' || !TOKEN.test(found)) return []
    return [
      {
        type: text(challenge, 'type'),
        url: address(challenge, 'url'),
        token: found,
        status: text(challenge, 'status'),
        error: problemIn(challenge),
      },
    ]
  }),
})

/** The account as it is answered: whether it may be used. */
export const readAccount: Reader<{ readonly status: string }> = (json) => ({ status: text(json, 'status') })

/** What went wrong, whatever the body is: answers that are no problem document are told by their status alone. */
export function readProblem(status: number, body: string): Problem {
  const found = read(body, problem)
  return found instanceof Unreadable ? { type: '', detail: `status ${status}` } : found
}

function problemIn(json: Json): Problem | undefined {
  const error = json['error']
  return typeof error === 'object' && error !== null ? problem(error as Json) : undefined
}

function problem(json: Json): Problem {
  const { type, detail } = json
  return {
    type: typeof type === 'string' ? printable(type.startsWith(PROBLEM) ? type.slice(PROBLEM.length) : type) : '',
    detail: typeof detail === 'string' ? printable(detail) : 'without a reason',
  }
}

/** What others say gets into logs and onto terminals: on one line, and not without an end. */
export function printable(said: string, most = MOST_DETAIL): string {
  return said.slice(0, most).replace(/[\p{C}\p{Zl}\p{Zp}\s]+/gu, ' ')
}

class Wrong extends Error {}

function object(value: unknown, name: string): Json {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json
  throw new Wrong(`${name} is no object`)
}

function list(json: Json, name: string): readonly unknown[] {
  const value = json[name]
  if (Array.isArray(value) && value.length <= MOST_LISTED) return value as readonly unknown[]
  throw new Wrong(`${name} is no list`)
}

function text(json: Json, name: string): string {
  const value = json[name]
  if (typeof value === 'string') return value
  throw new Wrong(`${name} is no text`)
}

function address(json: Json, name: string): string {
  const value = json[name]
  if (typeof value === 'string' && ADDRESS.test(value)) return value
  throw new Wrong(`${name} is no https address`)
}

function oneOf<T extends string>(json: Json, name: string, values: readonly T[]): T {
  const found = values.find((value) => value === json[name])
  if (found !== undefined) return found
  throw new Wrong(`${name} is none of ${values.join(', ')}`)
}
