/** `sett admin scim`: tokens of directories made, listed and revoked. */

import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { AdminWorld } from '../../../test/support/admin-world.ts'

suite('sett admin scim', () => {
  let at: AdminWorld
  before(async () => {
    at = await AdminWorld.make()
  })
  after(() => at.close())

  test('a token is printed once with the address that a directory asks for, listed, and revoked', async () => {
    assert.equal(await at.admin('scim', 'list'), 'No directory pushes anything.\n')
    const { code, err } = await at.ran('scim', 'token', 'okta')
    assert.deepEqual([code, err], [1, 'sett admin: identity provider not found\n'])
    await at.admin('providers', 'add', 'okta', '--issuer', 'https://okta.example', '--client-id', 'x')
    const out = await at.admin('scim', 'token', 'okta', '--description', 'people')
    const [, id = ''] =
      /^Base URL: +https:\/\/sett\.test\/scim\/v2\nToken: +tskey-scim-(k\w+CNTRL)-\w{28}\n$/.exec(out) ?? []
    assert.notEqual(id, '', out)
    assert.match(await at.admin('scim', 'list'), new RegExp(`${id} +okta +server .* never +valid +people\n`))
    // Among neither keys nor tokens of the API.
    for (const group of ['keys', 'tokens', 'oauth']) assert.doesNotMatch(await at.admin(group, 'list'), new RegExp(id))
    assert.equal(await at.admin('scim', 'revoke', id), `Revoked ${id}\n`)
    assert.match(await at.admin('scim', 'revoke', id), /was revoked already/)
    assert.match(await at.admin('scim', 'list'), / revoked +people\n/)
  })
})
