/** Reads changes of settings, `NAME=VALUE`, by the schema that the server checks them with. */

import * as z from 'zod'
import { MeshError } from '../../base/errors.ts'
import { SettingsPatch } from '../../wire/api/routes/settings.ts'

/** As much as is used here of what a member accepts, in the words of JSON Schema. */
interface Accepted {
  readonly type?: string
  readonly enum?: readonly string[]
  readonly minimum?: number
  readonly maximum?: number
  readonly maxLength?: number
}

/** @throws MeshError `config/invalid`, which says of the first that is wrong what it accepts */
export function parseSettings(changes: readonly string[]): SettingsPatch {
  const patch: Record<string, unknown> = {}
  for (const change of changes) {
    const equals = change.indexOf('=')
    const name = change.slice(0, Math.max(equals, 0))
    if (!isSetting(name))
      throw new MeshError(
        'config/invalid',
        `Cannot read "${change}": want NAME=VALUE, with a name among ${Object.keys(SettingsPatch.shape).join(', ')}`,
      )
    const text = change.slice(equals + 1)
    const accepted = acceptedBy(name)
    const value = valueOf(text, accepted)
    if (!SettingsPatch.shape[name].safeParse(value).success)
      throw new MeshError('config/invalid', `Cannot set ${name} to "${text}": want ${describe(accepted)}`)
    patch[name] = value
  }
  return patch
}

type Name = keyof typeof SettingsPatch.shape

function isSetting(name: string): name is Name {
  return Object.hasOwn(SettingsPatch.shape, name)
}

/** Every member may be absent or null as well. */
function acceptedBy(name: Name): Accepted {
  return z.toJSONSchema(SettingsPatch.shape[name].unwrap().unwrap()) as Accepted
}

/** The text itself where the setting is no text and this is none of its kind: the schema then refuses it. */
function valueOf(text: string, { type }: Accepted): unknown {
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true'
  if (type === 'integer' && /^-?\d+$/.test(text)) return Number(text)
  return text
}

function describe({ type, enum: choices, minimum, maximum, maxLength }: Accepted): string {
  if (choices !== undefined) return choices.join(', ').replace(/, (?=[^,]*$)/, ' or ')
  if (type === 'boolean') return 'true or false'
  if (type === 'integer') return `a whole number from ${minimum} to ${maximum}`
  return `one line of text, at most ${maxLength} characters`
}
