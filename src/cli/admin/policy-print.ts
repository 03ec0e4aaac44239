/** What is found about a policy, in lines for people: `FILE:LINE:COLUMN: MESSAGE`, as compilers have it. */

import { MeshError } from '../../base/errors.ts'
import { Refused } from '../../sdk/client.ts'
import type { Place, Problem } from '../../wire/api/objects.ts'
import type { CheckReport, Preview } from '../../wire/api/policy-objects.ts'
import type { Context } from './context.ts'
import { plain, printTable } from './print.ts'
import type { Output } from './print.ts'

/** What went wrong has been said already. */
export class Told extends MeshError {
  constructor() {
    super('api/refused', 'refused')
  }
}

/** Makes a call about a text; where it is refused for what the text says, tells where in it that is. */
export async function inFile<T>({ err }: Context, name: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    const { status, problem } = error
    if (status === 412)
      throw new Refused(status, {
        message: 'The policy in force is another one than was expected: look at it, and set yours again',
      })
    if (status === 413) throw new Refused(status, { message: `${name}: ${problem.message}` })
    if (problem.at === undefined && problem.data === undefined) throw error
    for (const line of problemLines(name, problem)) err.write(`${plain(line)}\n`)
    throw new Told()
  }
}

/** How the server names a place, where its message does. */
const PLACED = /^hujson: line \d+, column \d+: /

function problemLines(name: string, { message, at, data = [] }: Problem): string[] {
  const failures = data.flatMap((test) =>
    failureLines(name, { at: test.at, user: test.user ?? '', errors: test.errors ?? [] }),
  )
  const told = at === undefined ? `${name}: ${message}` : `${placed(name, at)}: ${message.replace(PLACED, '')}`
  return [...failures, told, ...(at !== undefined && message === UNSAID ? [SELF_TARGET] : [])]
}

/** All that the service that we copy says of one mistake, and servers after it. */
const UNSAID = 'internal server error'
const SELF_TARGET =
  '  "autogroup:self" can not be a target of nodeAttrs: want people, groups, tags, other autogroups or addresses'

function failureLines(
  name: string,
  { user, errors, at }: { user: string; errors: readonly string[]; at: Place | undefined },
): string[] {
  return [`${placed(name, at)}: test from ${JSON.stringify(user)} failed`, ...errors.map((error) => `  ${error}`)]
}

function placed(name: string, at: Place | undefined): string {
  return at === undefined ? name : `${name}:${at.line}:${at.column}`
}

export function printCheck(out: Output, name: string, { message, at, tests, failures, warnings }: CheckReport): void {
  const lines = warnings.map((warning) => `${placed(name, warning.at)}: warning: ${warning.text}`)
  if (message !== undefined && failures.length === 0) lines.push(...problemLines(name, { message, ...(at && { at }) }))
  else lines.push(...failures.flatMap((failure) => failureLines(name, failure)), summary(tests, failures.length))
  for (const line of lines) out.write(`${plain(line)}\n`)
}

function summary(tests: number, failed: number): string {
  if (tests === 0) return 'The policy is good. It has no tests.'
  const count = tests === 1 ? '1 test' : `${tests} tests`
  return failed === 0 ? `The policy is good: ${count} passed.` : `${failed} of ${count} failed.`
}

export function printPreview(out: Output, name: string, { matches, previewFor }: Preview): void {
  printTable(
    out,
    ['RULE', 'FROM', 'TO', 'VIA', 'POSTURES'],
    matches.map(({ users, ports, lineNumber, via = [], postures = [] }) => [
      `${name}:${lineNumber}`,
      users.join(', '),
      ports.join(', '),
      via.join(', '),
      postures.join(', '),
    ]),
    `No rule counts for ${plain(previewFor)}.`,
  )
}
