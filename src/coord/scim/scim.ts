/**
 * SCIM 2.0: the directories of identity providers push their people and groups. What happens to a request, from top to
 * bottom. (RFC 7643, RFC 7644)
 *
 *   token -> path -> body -> users | groups | discovery -> answer
 *
 * A stranger's request ends at its token. A transaction looks again at what the token opens, and rests on it.
 */

import { hex, textOf } from '../../base/bytes.ts'
import type { Dice } from '../../base/bytes.ts'
import { MeshError } from '../../base/errors.ts'
import { Gathered } from '../../base/gather.ts'
import type { Sha256 } from '../model/credentials.ts'
import { noteKeyUse } from '../model/key-use.ts'
import type { Ledger } from '../model/ledger.ts'
import type { Batch } from '../model/records.ts'
import { byOf, checksOf, directoryOf, groupOf, groupsOf, peopleOf, personOf, prove } from './directory.ts'
import type { Directory, Person } from './directory.ts'
import { oneOrAll, resourceTypes, schemas, serviceProviderConfig } from './discovery.ts'
import { changeGroup, createGroup, deleteGroup } from './groups.ts'
import { asksFor, isShown, listPage, readAsked, readShown, searchQuery, show } from './list.ts'
import { applyPatch } from './patch.ts'
import { invalid, ScimRefusal } from './refusal.ts'
import { GROUP, readResource, USER } from './schema.ts'
import type { Draft } from './schema.ts'
import { changeUser, createUser, deleteUser } from './users.ts'
import { groupDraft, membershipsOf, userDraft, viewGroup, viewUser } from './view.ts'
import type { Memberships } from './view.ts'

/** What directories are given as the address of the server, below its origin. */
export const SCIM_PATH = '/scim/v2'
/** The largest group as one request. */
const BODY_MAX = 4 * 1024 * 1024
/** Random bytes in the id of a group. */
const ID_BYTES = 16
const ERROR_URN = 'urn:ietf:params:scim:api:messages:2.0:Error'

export interface ScimOptions {
  readonly ledger: Ledger
  readonly dice: Dice
  readonly sha256: Sha256
  /** The origin that clients use. */
  readonly url: string
  /** Told of what went wrong inside; the caller hears only that something did. */
  readonly onError?: (error: unknown) => void
  /** Told of every request, for logs; never told what was in it. */
  readonly onRequest?: (seen: { readonly method: string; readonly status: number; readonly by: string }) => void
}

interface Reply {
  readonly status: 200 | 201 | 204
  readonly body?: object
}

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** A request whose token was good. */
interface Asked {
  readonly id: string | undefined
  readonly query: URLSearchParams
  readonly at: Directory
  readonly body: () => Promise<unknown>
  /** Changes the tailnet; what the builder returns is the reply. */
  readonly change: (
    build: (at: Directory) => { readonly batch: Omit<Batch, 'tailnet'>; readonly reply: Reply },
  ) => Promise<Reply>
}

/** Of an endpoint: itself, a resource of it, and its `.search`. */
type Place = 'all' | 'one' | 'search'
type Handler = (asked: Asked) => Reply | Promise<Reply>

export class Scim {
  readonly #options: ScimOptions
  readonly #base: string
  readonly #endpoints: Readonly<Record<string, { readonly [path in Place]?: Partial<Record<Method, Handler>> }>>

  constructor(options: ScimOptions) {
    this.#options = options
    this.#base = `${options.url}${SCIM_PATH}`
    const ok = (body: object): Reply => ({ status: 200, body })
    const config = { GET: () => ok(serviceProviderConfig(this.#base)) }
    const types: Handler = ({ id, query }) => ok(oneOrAll(resourceTypes(this.#base), id, query))
    const attributes: Handler = ({ id, query }) => ok(oneOrAll(schemas(this.#base), id, query))
    this.#endpoints = {
      '.search': { all: { POST: search() } },
      serviceproviderconfig: { all: config },
      resourcetypes: { all: { GET: types }, one: { GET: types } },
      schemas: { all: { GET: attributes }, one: { GET: attributes } },
      users: {
        all: { GET: ({ at, query }) => ok(list(at, query, 'users')), POST: (asked) => this.#createUser(asked) },
        search: { POST: search('users') },
        one: { GET: (asked) => ok(showUser(asked.at, person(asked), asked.query)), ...USER_CHANGES },
      },
      groups: {
        all: { GET: ({ at, query }) => ok(list(at, query, 'groups')), POST: (asked) => this.#createGroup(asked) },
        search: { POST: search('groups') },
        one: { GET: (asked) => ok(showGroup(asked.at, asked.id ?? '', asked.query)), ...GROUP_CHANGES },
      },
    }
  }

  /** @param from address of the caller, for the log */
  async fetch(request: Request, from?: string): Promise<Response> {
    const { ledger, sha256, onRequest, onError } = this.#options
    const id = prove(request.headers.get('authorization'), ledger.model, sha256)
    let answer: Response
    try {
      answer = await this.#answer(request, id, from)
    } catch (error) {
      if (!(error instanceof ScimRefusal) && !isStoreAway(error)) onError?.(error)
      answer = refusal(error)
    }
    onRequest?.({ method: request.method, status: answer.status, by: id ?? 'nobody' })
    return answer
  }

  async #answer(request: Request, token: string | undefined, from: string | undefined): Promise<Response> {
    const { ledger } = this.#options
    const at = token === undefined ? undefined : directoryOf(token, ledger.model, ledger.now(), this.#base)
    if (token === undefined || at === undefined) throw unproved()
    const by = byOf(at, from)
    await noteKeyUse(ledger, at.tailnet, token, by)

    const url = new URL(request.url)
    const [endpoint = '', id, ...more] = partsOf(url.pathname)
    const place: Place = id === undefined ? 'all' : id === '.search' ? 'search' : 'one'
    const methods = more.length > 0 ? undefined : this.#endpoints[endpoint.toLowerCase()]?.[place]
    if (methods === undefined) throw new ScimRefusal(404, 'There is nothing at this path')
    const handler = methods[request.method as Method]
    if (handler === undefined) {
      const refused = new ScimRefusal(405, `This takes ${Object.keys(methods).join(', ')}`)
      return refusal(refused, { allow: Object.keys(methods).join(', ') })
    }
    const reply = await handler({
      id,
      query: url.searchParams,
      at,
      body: () => readBody(request),
      change: (build) =>
        ledger.transact(at.tailnet.num, by, (model, now) => {
          const present = directoryOf(token, model, now, this.#base)
          if (present === undefined) throw unproved()
          const { batch, reply } = build(present)
          const written = new Set(batch.writes.map((write) => `${write.kind}/${write.id}`))
          const checks = checksOf(present).filter((check) => !written.has(`${check.kind}/${check.id}`))
          return { batch: { ...batch, checks }, result: reply }
        }),
    })
    const location = (reply.body as { meta?: { location?: string } } | undefined)?.meta?.location
    return respond(reply.status, reply.body, reply.status === 201 && location !== undefined ? { location } : {})
  }

  async #createUser({ query, body, change }: Asked): Promise<Reply> {
    const draft = readResource(USER, await body())
    const id = await this.#options.ledger.nextId('user')
    return change((at) => {
      const { batch, person } = createUser(at, id, draft)
      return { batch, reply: { status: 201, body: showUser(at, person, query) } }
    })
  }

  async #createGroup({ query, body, change }: Asked): Promise<Reply> {
    const draft = readResource(GROUP, await body())
    const id = hex(this.#options.dice(ID_BYTES))
    return change((at) => {
      const { batch, group } = createGroup(at, id, draft)
      return { batch, reply: { status: 201, body: show(viewGroup(at, id, group, true), readShown(query)) } }
    })
  }
}

const DELETED: Reply = { status: 204 }

const USER_CHANGES: Partial<Record<Method, Handler>> = {
  async PUT(asked) {
    const draft = readResource(USER, await asked.body())
    return changeOneUser(asked, () => draft)
  },
  async PATCH(asked) {
    const body = await asked.body()
    return changeOneUser(asked, (before) => {
      const draft = userDraft(before)
      applyPatch(USER, draft, body)
      return draft
    })
  },
  DELETE: (asked) => asked.change((at) => ({ batch: deleteUser(at, person({ ...asked, at })), reply: DELETED })),
}

function changeOneUser(asked: Asked, draftOf: (before: Person) => Draft): Promise<Reply> {
  return asked.change((at) => {
    const before = person({ ...asked, at })
    const { batch, person: after } = changeUser(at, before, draftOf(before))
    return { batch, reply: { status: 200, body: showUser(at, after, asked.query) } }
  })
}

const GROUP_CHANGES: Partial<Record<Method, Handler>> = {
  async PUT(asked) {
    const draft = readResource(GROUP, await asked.body())
    return changeOneGroup(asked, () => draft)
  },
  async PATCH(asked) {
    const body = await asked.body()
    return changeOneGroup(asked, (before) => {
      const draft = groupDraft(before)
      applyPatch(GROUP, draft, body)
      return draft
    })
  },
  DELETE: ({ id = '', change }) => change((at) => ({ batch: deleteGroup(at, id, groupAt(at, id)), reply: DELETED })),
}

function changeOneGroup(
  { id = '', query, change }: Asked,
  draftOf: (before: ReturnType<typeof groupAt>) => Draft,
): Promise<Reply> {
  return change((at) => {
    const before = groupAt(at, id)
    const { batch, group } = changeGroup(at, id, before, draftOf(before))
    const shown = readShown(query)
    return { batch, reply: { status: 200, body: show(viewGroup(at, id, group, isShown(shown, 'members')), shown) } }
  })
}

function person({ at, id = '' }: Pick<Asked, 'at' | 'id'>): Person {
  const found = personOf(at, id)
  if (found === undefined) throw new ScimRefusal(404, 'This directory has no user of this id here')
  return found
}

function groupAt(at: Directory, id: string) {
  const found = groupOf(at, id)
  if (found === undefined) throw new ScimRefusal(404, 'This directory has no group of this id here')
  return found
}

function showUser(at: Directory, one: Person, query: URLSearchParams): Draft {
  return show(viewUser(at, one, membershipsOf(at, new Set([one.user.id]))), readShown(query))
}

function showGroup(at: Directory, id: string, query: URLSearchParams): Draft {
  const shown = readShown(query)
  return show(viewGroup(at, id, groupAt(at, id), isShown(shown, 'members')), shown)
}

/** What is asked for may be personal, and then stands in no address. (RFC 7644 §3.4.3) */
function search(of?: 'users' | 'groups'): Handler {
  return async ({ at, body }) => ({ status: 200, body: list(at, searchQuery(await body()), of) })
}

/** One list of both where it is said of neither. */
function list(at: Directory, query: URLSearchParams, of?: 'users' | 'groups'): object {
  const asked = readAsked(query)
  const people = of === 'groups' ? [] : peopleOf(at)
  const groups = of === 'users' ? [] : groupsOf(at)
  const membershipsIf = (isAsked: boolean, some: readonly Person[]): Memberships =>
    isAsked ? membershipsOf(at, new Set(some.map(({ user }) => user.id))) : new Map()
  const known = membershipsIf(asksFor(asked.filter, 'groups'), people)
  const isAsked = asksFor(asked.filter, 'members')
  const needsAll = ['groups', 'meta'].some((attribute) => asksFor(asked.filter, attribute))
  // A directory asks for each of its users by name; making all that could be asked for takes ten times as long.
  const matchable = (one: Person): Draft =>
    needsAll ? viewUser(at, one, known) : { ...userDraft(one), id: String(one.user.id) }
  const isWanted = isShown(asked.shown, 'members')
  return listPage<Person | GroupEntry>([...people, ...groups], asked, {
    toMatch: (one) => (isPerson(one) ? matchable(one) : viewGroup(at, one[0], one[1], isAsked)),
    toShow(page) {
      const memberships = membershipsIf(isShown(asked.shown, 'groups'), page.filter(isPerson))
      return page.map((one) =>
        isPerson(one) ? viewUser(at, one, memberships) : viewGroup(at, one[0], one[1], isWanted),
      )
    },
  })
}
type GroupEntry = ReturnType<typeof groupsOf>[number]

function isPerson(one: Person | GroupEntry): one is Person {
  return 'user' in one
}

function partsOf(path: string): string[] {
  const parts = path.slice(SCIM_PATH.length).split('/').slice(1)
  if (parts.at(-1) === '') parts.pop()
  return parts.map((part) => {
    try {
      return decodeURIComponent(part)
    } catch {
      return ''
    }
  })
}

async function readBody(request: Request): Promise<unknown> {
  const tooLong = new ScimRefusal(413, `The request is larger than ${BODY_MAX} bytes`)
  if (Number(request.headers.get('content-length') ?? 0) > BODY_MAX) throw tooLong
  const body = new Gathered()
  try {
    for await (const part of request.body ?? []) {
      if (body.length + part.length > BODY_MAX) throw tooLong
      body.add(part)
    }
  } catch (error) {
    throw error === tooLong ? error : invalid('The request ended before its body did', 'invalidSyntax')
  }
  try {
    return JSON.parse(textOf(body.bytes()) ?? '') as unknown
  } catch {
    throw invalid('The body is not JSON', 'invalidSyntax')
  }
}

function unproved(): ScimRefusal {
  return new ScimRefusal(401, 'Want the token that was made for this directory, as a Bearer token')
}

function isStoreAway(error: unknown): boolean {
  return error instanceof MeshError && error.code.startsWith('store/')
}

function refusal(error: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  const refused =
    error instanceof ScimRefusal
      ? error
      : isStoreAway(error)
        ? new ScimRefusal(503, 'The server cannot reach its database, or its disk is full: try again')
        : new ScimRefusal(500, 'Something went wrong inside the server; its log says what')
  const { status, scimType, message } = refused
  const challenge = status === 401 ? { 'www-authenticate': 'Bearer' } : {}
  const body = {
    schemas: [ERROR_URN],
    status: String(status),
    ...(scimType === undefined ? {} : { scimType }),
    detail: message,
  }
  return respond(status, body, { ...challenge, ...headers })
}

function respond(status: number, body: object | undefined, headers: Readonly<Record<string, string>>): Response {
  const common = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', ...headers }
  if (body === undefined) return new Response(null, { status, headers: common })
  return new Response(JSON.stringify(body), {
    status,
    headers: { ...common, 'content-type': 'application/scim+json; charset=utf-8' },
  })
}
