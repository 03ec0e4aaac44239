/**
 * What the hosted service took and refused: test/vectors/policy. Tests that fail are another's matter (../tests); here
 * such policies are taken.
 */

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { checkPolicy, PolicyRefusal } from './index.ts'

interface Capture {
  readonly id: string
  readonly tailnet: string
  readonly policy: unknown
  readonly response_code: number
  readonly response_body?: { readonly message?: string }
}

const FOLDER = new URL('../../../test/vectors/policy/', import.meta.url)
/** Its policy was made anonymous and its message was not, so the two don't belong together. */
const REWRITTEN = 'ssh-e1'

const captures = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.jsonl.gz'))
  .flatMap((name) =>
    gunzipSync(readFileSync(new URL(name, FOLDER)))
      .toString()
      .trimEnd()
      .split('\n'),
  )
  .map((line) => JSON.parse(line) as Capture)

interface Answer {
  readonly status: number
  readonly message?: string
}

function answer({ policy, tailnet }: Pick<Capture, 'policy' | 'tailnet'>): Answer {
  const text = typeof policy === 'string' ? policy : JSON.stringify(policy, undefined, 2)
  const domains = new Set([tailnet.slice(tailnet.indexOf('@') + 1)])
  try {
    checkPolicy(text, { domains, logins: new Set() })
    return { status: 200 }
  } catch (error) {
    assert.ok(error instanceof PolicyRefusal, String(error))
    assert.ok(error.at !== undefined, `no place: ${error.message}`)
    return { status: error.status, message: error.message }
  }
}

function recorded({ response_code: status, response_body: body }: Capture): Answer {
  if (status === 200 || body?.message === 'test(s) failed') return { status: 200 }
  return body?.message === undefined ? { status } : { status, message: body.message }
}

test('every recorded policy is taken, or refused with the recorded status and message', () => {
  assert.equal(captures.length, 428)
  const different = captures.filter((capture) => {
    const [got, want] = [answer(capture), recorded(capture)]
    if (capture.id === REWRITTEN) return got.status !== want.status
    return got.status !== want.status || got.message !== want.message
  })
  assert.deepEqual(
    different.map((capture) => [capture.id, answer(capture), recorded(capture)]),
    [],
  )
})
