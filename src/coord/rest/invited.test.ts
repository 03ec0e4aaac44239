/** An invitation that the API made, used: whoever comes by its link is in, once, in its role; taken back, it lets nobody in. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hex, utf8 } from '../../base/bytes.ts'
import { Secret } from '../../base/secret.ts'
import { nodePrimitives } from '../../crypto/io/node-primitives.ts'
import type { Sha256 } from '../model/credentials.ts'
import { SignIns } from '../people/sign-in.ts'
import { TESTER } from '../../../test/support/ledger.ts'
import { RestWorld } from '../../../test/support/rest-world.ts'

const T = '/tailnet/-'
const sha256: Sha256 = (...parts) => nodePrimitives.sha256(...parts)

test('by its link somebody joins in the role of the invitation, once; not when it was taken back', async () => {
  const world = await RestWorld.make()
  const settings = { kind: 'oidc', issuer: 'https://id.example', clientId: 'sett' }
  await world.ask('PUT', `/sett${T}/identity-providers/acme`, { server: true, body: { title: 'Acme', settings } })
  const { ledger } = world
  const signIns = new SignIns({ ledger, dice: nodePrimitives.random, sha256 })
  const arrive = async (subject: string, link: string | undefined) => {
    const ticket = link === undefined ? {} : { ticket: hex(sha256(utf8(link.slice(-43)))) }
    const begun = await signIns.begin(
      { tailnet: 1, provider: 'acme', browser: new Secret('b'.repeat(43), 'cookie'), next: '/', ...ticket },
      TESTER,
    )
    assert.ok(begun !== 'busy')
    const claims = {
      issuer: 'https://id.example',
      subject,
      email: `${subject}@id.example`,
      groups: [],
    }
    return await signIns.settle(begun.signIn, claims, TESTER)
  }
  const [bea, gone] = await world.post(`${T}/user-invites`, [{ role: 'auditor' }, {}], {
    token: world.alpha.tokens.owner,
  })
  await world.ask('DELETE', `/user-invites/${gone.id}`, { server: true })

  assert.equal((await arrive('bea', undefined)).kind, 'refused')
  assert.equal((await arrive('bea', gone.inviteUrl)).kind, 'refused')
  const came = await arrive('bea', bea.inviteUrl)
  assert.ok(came.kind === 'user')
  const { users } = await world.get(`${T}/users?role=auditor`)
  assert.ok(users.some(({ loginName }: { loginName: string }) => loginName === came.user.loginName))
  assert.deepEqual(await world.get(`${T}/user-invites`), [])
  assert.equal((await arrive('carl', bea.inviteUrl)).kind, 'refused')
})
