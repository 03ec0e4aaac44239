/**
 * What one route of the REST API is: where it is, who may use it, what goes in and what comes out.
 *
 * The server's routing, validation and authorisation, the OpenAPI document and the typed client are all made
 * from values of this type, so none of them can say something else than the others.
 */

import type * as z from 'zod'
import type { Act, Scope } from './scopes.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

export type Access =
  /** Whoever has one of these scopes, in the tailnet that the request is about; some handlers ask for more. */
  | { readonly kind: 'scope'; readonly any: readonly [Scope, ...Scope[]]; readonly act: Act }
  /** Any valid credential; what it gets to see depends on it. */
  | { readonly kind: 'credential' }
  /** Whoever proves by the body itself who they are: these routes give out credentials. */
  | { readonly kind: 'self' }
  /** The server's own administrator, over its socket. */
  | { readonly kind: 'server' }

export interface RouteShape {
  readonly method: Method
  /** Below `/api/v2`, with `{parameters}` that fill whole segments. */
  readonly path: string
  readonly summary: string
  readonly group: string
  readonly access: Access
  /** One text for each parameter of the path. */
  readonly params: z.ZodObject
  /** Query members by name; the first value of each counts. A loose object takes others as well. */
  readonly query?: z.ZodObject
  /** Headers that count, by their names in lower case. */
  readonly headers?: z.ZodObject
  readonly body?: z.ZodType
  /**
   * Present: the body is no JSON, whatever its content type says. `hujson`: `body` is the schema of that text; `form`: of
   * the fields of a form, each of which may stand once.
   */
  readonly takes?: 'hujson' | 'form'
  /** The longest body, in bytes; `DEFAULT_MAX_BODY` if not given. */
  readonly maxBody?: number
  /** Absent: the answer has no body. */
  readonly reply?: z.ZodType
  /**
   * Present: the answer is a text with an ETag, or its JSON if `Accept` asks for that. `reply` is then what the typed
   * client makes of it.
   */
  readonly gives?: 'hujson'
  /** What an answer has that says: noted, but not done yet (202). `reply` has it among its forms. */
  readonly pending?: z.ZodType
}

/** Nothing but policies comes near this. */
export const DEFAULT_MAX_BODY = 1 << 20
export const HUJSON = 'application/hujson'
export const FORM = 'application/x-www-form-urlencoded'

export const BASE_PATH = '/api/v2'

/** Says that a value is a route, and keeps its exact type. */
export function route<const R extends RouteShape>(shape: R): R {
  return shape
}

/** A path without parameters has none to give, which zod would say with an index signature. */
export type ParamsOf<R extends RouteShape> =
  Record<string, never> extends z.output<R['params']> ? object : z.output<R['params']>
export type QueryOf<R extends RouteShape> = R extends { query: infer Q extends z.ZodType } ? z.output<Q> : object
export type BodyOf<R extends RouteShape> = R extends { body: infer B extends z.ZodType } ? z.output<B> : undefined
export type HeadersOf<R extends RouteShape> = R extends { headers: infer H extends z.ZodType } ? z.output<H> : object
export type HeadersInputOf<R extends RouteShape> = R extends { headers: infer H extends z.ZodType }
  ? z.input<H>
  : object
/** The body as a caller writes it, before defaults are filled in. */
export type BodyInputOf<R extends RouteShape> = R extends { body: infer B extends z.ZodType } ? z.input<B> : undefined
export type QueryInputOf<R extends RouteShape> = R extends { query: infer Q extends z.ZodType } ? z.input<Q> : object
export type ReplyOf<R extends RouteShape> = R extends { reply: infer O extends z.ZodType } ? z.output<O> : undefined
