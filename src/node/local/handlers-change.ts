/** Endpoints of the local API that change the node: preferences, logging in and out, profiles (node.md §9). */

import { textOf } from '../../base/bytes.ts'
import { MeshError } from '../../base/errors.ts'
import { readObject } from '../../base/go-json.ts'
import { Secret } from '../../base/secret.ts'
import { checkEdit } from './check-prefs.ts'
import { doneOr, isRefused, json, nothing, refusal } from './exchange.ts'
import type { Call, Handler, LocalAnswer } from './exchange.ts'
import { prefsJson, readMaskedPrefs, readPrefs, readPrefsObject } from './prefs-json.ts'
import { ZERO_PREFS } from './prefs.ts'
import type { MaskedPrefs, Prefs } from './prefs.ts'

export const prefs: Handler = async (call) => {
  const { backend, request, mayWrite } = call
  if (request.method === 'GET' || request.method === 'HEAD') return json(prefsJson(backend.prefs()))
  if (!mayWrite) return refusal(403, 'prefs write access denied')
  if (request.method !== 'PATCH') return refusal(405, 'unsupported method')
  const edit = orMalformed(() => readMaskedPrefs(request.body))
  if ('malformed' in edit) return edit.malformed
  const refused = checkEdit(edit)
  return refused === undefined ? applied(call, edit) : json({ Error: refused }, 400)
}

async function applied({ backend }: Call, edit: MaskedPrefs): Promise<LocalAnswer> {
  const outcome = await backend.editPrefs(edit)
  return isRefused(outcome) ? json({ Error: outcome.refused }, 400) : json(prefsJson(outcome))
}

export const checkPrefs: Handler = ({ backend, request }) => {
  const asked = orMalformed(() => readPrefs(request.body))
  if ('malformed' in asked) return asked.malformed
  const refused = backend.checkPrefs(asked)
  return json(refused === undefined ? {} : { Error: refused })
}

export const start: Handler = async ({ backend, request }) => {
  const asked = orMalformed(() => {
    const fields = readObject(request.body, { what: 'Options', maxLength: 1 << 20 })
    // `raw` gives what is behind a member of a parsed message as it came.
    const updated = fields.raw('UpdatePrefs')
    if (updated !== undefined && (typeof updated !== 'object' || Array.isArray(updated)))
      throw new MeshError('json/malformed', 'Cannot read JSON: Options.UpdatePrefs: want an object')
    const authKey = fields.text('AuthKey')
    return {
      ...(updated === undefined ? {} : { prefs: readPrefsObject(updated as object) }),
      ...(authKey === '' ? {} : { authKey: new Secret(authKey, 'auth key') }),
    }
  })
  if ('malformed' in asked) return asked.malformed
  const refused = asked.prefs === undefined ? undefined : backend.checkPrefs(asked.prefs)
  return refused === undefined ? doneOr(await backend.start(asked)) : refusal(400, refused)
}

export const loginInteractive: Handler = async ({ backend }) => doneOr(await backend.loginInteractive())
export const logout: Handler = async ({ backend }) => doneOr(await backend.logout())
export const resetAuth: Handler = async ({ backend }) => doneOr(await backend.resetAuth())

/** Puts the exit node aside, or takes it up again where it was put. */
export const useExitNode: Handler = async (call) => {
  const enabled = call.request.query.get('enabled')
  if (enabled !== 'true' && enabled !== 'false') return refusal(400, "invalid 'enabled' parameter")
  const now = call.backend.prefs()
  const isUsed = now.ExitNodeID !== ''
  if (isUsed === (enabled === 'true')) return json(prefsJson(now))
  if (!isUsed && now.InternalExitNodePrior === '') return json({ Error: 'no exit node has been used before' }, 400)
  const values: Prefs = {
    ...ZERO_PREFS,
    ExitNodeID: isUsed ? '' : now.InternalExitNodePrior,
    InternalExitNodePrior: isUsed ? now.ExitNodeID : '',
  }
  return applied(call, { values, set: new Set(['ExitNodeID', 'InternalExitNodePrior']) })
}

/** Nothing is served, so the only configuration that can be set is that one. */
export const setServeConfig: Handler = ({ request }) => {
  const asked = orMalformed(() => {
    readObject(request.body, { what: 'ServeConfig', maxLength: 1 << 20 })
    return JSON.parse(textOf(request.body) as string) as object
  })
  if ('malformed' in asked) return asked.malformed
  return Object.keys(asked).length === 0 ? nothing() : refusal(501, 'serve is not part of this version of Sett')
}

export const profiles: Handler = async ({ backend, request, rest }) => {
  const { method } = request
  const { all, current } = backend.profiles()
  if (rest === '') {
    if (method === 'GET') return json(all)
    if (method !== 'PUT') return refusal(405, 'use GET or PUT')
    const refused = await backend.newProfile()
    return refused === undefined ? nothing(201) : refusal(500, refused.refused)
  }
  if (rest === 'current') return method === 'GET' ? json(current) : refusal(405, 'use GET')
  const profile = all.find(({ ID }) => ID === rest)
  if (profile === undefined) return refusal(404, 'no profile with that ID')
  if (method === 'GET') return json(profile)
  if (method === 'POST') return doneOr(await backend.switchProfile(rest))
  if (method === 'DELETE') return doneOr(await backend.deleteProfile(rest))
  return refusal(405, 'use GET, POST or DELETE')
}

export const setExpirySooner: Handler = async ({ backend, request }) => {
  const text = request.query.get('expiry') ?? new Map(formOf(request.body)).get('expiry') ?? ''
  if (!/^\d{1,12}$/.test(text)) return refusal(400, "invalid 'expiry' parameter, want seconds since 1970")
  const refused = await backend.setExpirySooner(Number(text))
  return refused === undefined
    ? { kind: 'whole', status: 200, type: TEXT, body: 'done\n' }
    : refusal(500, refused.refused)
}

const TEXT = 'text/plain; charset=utf-8'

/** Fields of a form whose values need no decoding. */
function formOf(body: Uint8Array): (readonly [string, string])[] {
  const text = body.length > 4_096 ? '' : (textOf(body) ?? '')
  return text.split('&').map((field) => [field.split('=')[0] as string, field.slice(field.indexOf('=') + 1)])
}

/** What is wrong with a body is 400, in the words of whoever read it. */
function orMalformed<T extends object>(read: () => T): T | { readonly malformed: LocalAnswer } {
  try {
    return read()
  } catch (error) {
    if (error instanceof MeshError && error.code === 'json/malformed') return { malformed: refusal(400, error.message) }
    throw error
  }
}
