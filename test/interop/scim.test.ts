/**
 * SCIM by somebody else's client: scim2-client, and the checks of RFC 7643 and 7644 that scim2-tester makes with it,
 * against a real server. (Python, from its package registry; `scim/requirements.txt` pins the versions.)
 */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, before, suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Coord } from '../e2e/coord.ts'
import { pythonWith } from './driver/python.ts'

const run = promisify(execFile)
const file = (name: string) => fileURLToPath(new URL(`scim/${name}`, import.meta.url))
/** So many checks the tester makes of what we publish; fewer would mean that it could not read it. */
const CHECKS_MIN = 60

const python = await pythonWith(file('requirements.txt')).catch((error: Error) => error)
const skip = python instanceof Error && `no Python with scim2-client: ${python.message.split('\n', 1)[0]}`

suite('a SCIM client library', { skip }, () => {
  let coord: Coord
  let [url, token] = ['', '']
  before(async () => {
    coord = await Coord.start()
    const provider = '/sett/tailnet/-/identity-providers/okta'
    const settings = { kind: 'oidc', issuer: 'https://okta.example', clientId: 'sett' }
    await coord.admin('PUT', provider, { title: 'Okta', settings, groupDomain: 'example.com' })
    const made = await coord.admin<{ token: { key: string } }>('POST', `${provider}/scim-tokens`, {})
    token = made.token.key
    url = `http://127.0.0.1:${coord.port}/scim/v2`
  })
  after(() => coord?.remove())

  const client = async (what: string): Promise<any> =>
    JSON.parse((await run(python as string, [file('client.py'), what, url, token], { timeout: 120_000 })).stdout)

  test('pushes people and groups', async () => {
    assert.deepEqual(await client('push'), {
      members: true,
      found: [true],
      renamed: 'Benjamin',
      active: false,
      again: [409, 'uniqueness'],
      left: 2,
    })
  })

  test('finds nothing wrong in what the RFCs say', async () => {
    const checks: { status: string; title: string; reason: string }[] = await client('check')
    assert.deepEqual(
      checks.filter(({ status }) => status !== 'SUCCESS'),
      [],
    )
    assert.ok(checks.length >= CHECKS_MIN, `${checks.length} checks`)
  })
})
