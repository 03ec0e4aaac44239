/** The SSH policy in a map (control.md §10.1), read as Go reads it. Judging a connection by it is the ssh stage's. */

import type { Wall } from '../base/clock.ts'
import { listOf, mapOf, orNull, readFields, readText } from '../base/go-json.ts'
import type { JsonReader } from '../base/go-json.ts'

/** Any one member that is there must match; none matches nobody. */
export interface SshPrincipal {
  readonly node?: string
  readonly nodeIP?: string
  readonly userLogin?: string
  readonly any?: boolean
}

export interface SshAction {
  readonly message?: string
  readonly reject?: boolean
  readonly accept?: boolean
  /** Nanoseconds. */
  readonly sessionDuration?: number
  readonly allowAgentForwarding?: boolean
  readonly holdAndDelegate?: string
  readonly allowLocalPortForwarding?: boolean
  readonly allowRemotePortForwarding?: boolean
  readonly recorders?: readonly string[]
  readonly onRecordingFailure?: {
    readonly RejectSessionWithMessage?: string
    readonly TerminateSessionWithMessage?: string
    readonly NotifyURL?: string
  }
}

export interface SshRule {
  readonly ruleExpires?: Wall
  readonly principals: readonly SshPrincipal[]
  /** Local user by requested user. */
  readonly sshUsers: ReadonlyMap<string, string>
  /** Absent: the rule is passed over. */
  readonly action?: SshAction
  readonly acceptEnv: readonly string[]
}

export interface SshPolicy {
  readonly rules: readonly SshRule[]
}

const readTexts = listOf(orNull(readText, ''))

const readPrincipal: JsonReader<SshPrincipal> = (value, path) => {
  const fields = readFields(value ?? {}, path)
  const principal: Record<string, unknown> = {}
  for (const name of ['node', 'nodeIP', 'userLogin']) if (fields.text(name) !== '') principal[name] = fields.text(name)
  if (fields.bool('any')) principal['any'] = true
  return principal
}

const readAction: JsonReader<SshAction> = (value, path) => {
  const fields = readFields(value, path)
  const action: Record<string, unknown> = {}
  for (const name of ['message', 'holdAndDelegate']) if (fields.text(name) !== '') action[name] = fields.text(name)
  for (const name of [
    'reject',
    'accept',
    'allowAgentForwarding',
    'allowLocalPortForwarding',
    'allowRemotePortForwarding',
  ])
    if (fields.bool(name)) action[name] = true
  const duration = fields.int('sessionDuration')
  if (duration !== 0) action['sessionDuration'] = duration
  const recorders = fields.optional('recorders', readTexts) ?? []
  if (recorders.length > 0) action['recorders'] = recorders
  const failure = fields.object('onRecordingFailure')
  if (failure !== undefined) {
    const onFailure: Record<string, string> = {}
    for (const name of ['RejectSessionWithMessage', 'TerminateSessionWithMessage', 'NotifyURL'])
      if (failure.text(name) !== '') onFailure[name] = failure.text(name)
    action['onRecordingFailure'] = onFailure
  }
  return action
}

const readRule: JsonReader<SshRule> = (value, path) => {
  const fields = readFields(value ?? {}, path)
  const expires = fields.time('ruleExpires')
  const action = fields.optional('action', readAction)
  return {
    ...(expires === undefined ? {} : { ruleExpires: expires }),
    principals: fields.optional('principals', listOf(readPrincipal)) ?? [],
    sshUsers: fields.optional('sshUsers', mapOf(orNull(readText, ''))) ?? new Map(),
    ...(action === undefined ? {} : { action }),
    acceptEnv: fields.optional('acceptEnv', readTexts) ?? [],
  }
}

/** Throws `json/malformed`. */
export const readSshPolicy: JsonReader<SshPolicy> = (value, path) => ({
  rules: readFields(value, path).optional('rules', listOf(readRule)) ?? [],
})
