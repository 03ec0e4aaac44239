/** Endpoints of the local API for whoever looks after the daemon: debugging, logs, its end (node.md §9). */

import { textOf } from '../../base/bytes.ts'
import { DEBUG_ACTIONS } from './backend.ts'
import { json, nothing, refusal, text } from './exchange.ts'
import type { Handler } from './exchange.ts'

/** No action needs a longer body, in bytes. */
const BODY_MAX = 1_024

export const debug: Handler = async ({ backend, request }) => {
  const asked = request.query.get('action') ?? request.header('debug-action') ?? ''
  if (asked === '') return refusal(400, 'missing parameter "action"')
  const action = DEBUG_ACTIONS.find((each) => each === asked)
  if (action === undefined) return refusal(400, 'unknown action')
  const shown = await backend.debug(action, textOf(request.body.subarray(0, BODY_MAX)) ?? '')
  return shown === undefined ? text('done\n') : json(shown)
}

export const componentLogging: Handler = ({ backend, request }) => {
  const component = request.query.get('component') ?? ''
  const seconds = request.query.get('secs') ?? ''
  if (!/^[a-z-]{1,40}$/.test(component)) return json({ Error: 'unknown component' }, 400)
  if (!/^\d{1,6}$/.test(seconds)) return json({ Error: "invalid 'secs' parameter" }, 400)
  const refused = backend.setComponentLogging(component, Number(seconds))
  return json({ Error: refused?.refused ?? '' }, refused === undefined ? 200 : 400)
}

export const metrics: Handler = ({ backend }) => text(backend.debugMetrics(), 'text/plain')

export const logTap: Handler = ({ backend }) => ({
  kind: 'stream',
  type: 'text/plain; charset=utf-8',
  open: (send) => backend.tailLog((line) => void send(`${line}\n`)),
})

export const reloadConfig: Handler = async ({ backend }) => {
  const outcome = await backend.reloadConfig()
  if (typeof outcome === 'boolean') return json({ Reloaded: outcome, Err: '' })
  return json({ Reloaded: false, Err: outcome.refused })
}

export const disconnectControl: Handler = ({ backend }) => {
  backend.disconnectControl()
  return nothing()
}

export const shutdown: Handler = ({ backend }) => {
  backend.shutdown()
  return nothing()
}
