/** `sett admin oauth`: clients and identities made, listed, shown and revoked. */

import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { AdminWorld } from '../../../test/support/admin-world.ts'

suite('sett admin oauth', () => {
  let at: AdminWorld
  before(async () => {
    at = await AdminWorld.make()
  })
  after(() => at.close())

  test('a client’s secret is printed alone on its line, and gives a token until the client is revoked', async () => {
    const tags = ['--tags', 'tag:ci,tag:a']
    const out = await at.admin('oauth', 'create', '--scopes', 'auth_keys, dns:read', ...tags, '--description', 'ci')
    const [, id = ''] = /^tskey-client-(k\w+CNTRL)-\w{28}\n$/.exec(out) ?? []
    assert.notEqual(id, '', out)
    const secret = out.trim()
    const token = async () =>
      (
        await fetch(`${at.url}/api/v2/oauth/token`, {
          method: 'POST',
          body: new URLSearchParams({ client_secret: secret }),
        })
      ).status
    assert.equal(await token(), 200)
    assert.match(
      await at.admin('oauth', 'list'),
      new RegExp(`${id} +client +auth_keys dns:read +tag:a tag:ci +server .* valid +ci\n`),
    )
    const shown = await at.admin('oauth', 'show', id)
    for (const line of [
      'Scopes:      auth_keys dns:read',
      'Tags:        tag:a tag:ci',
      'State:       valid',
      'Creator:     server',
    ])
      assert.ok(shown.includes(`${line}\n`), shown)
    assert.equal(await at.admin('oauth', 'revoke', id), `Revoked ${id}\n`)
    assert.match(await at.admin('oauth', 'revoke', id), /was revoked already/)
    assert.match(await at.admin('oauth', 'show', id), /State: +revoked/)
    assert.equal(await token(), 401)
  })

  test('a federated identity is printed with what its issuer is to be told', async () => {
    const issuer = ['--issuer', 'https://token.actions.example', '--subject', 'repo:sett/*']
    const rights = ['--scopes', 'auth_keys', '--tags', 'tag:ci', '--claim', 'environment=prod-*', '--claim', 'x=a=b']
    const out = await at.admin('oauth', 'federated', 'create', ...issuer, ...rights)
    const [, id = ''] = /^Client id: (k\w+CNTRL)\nAudience: {2}sett\.test\/\1\n$/.exec(out) ?? []
    assert.notEqual(id, '', out)
    const shown = await at.adminJson('oauth', 'show', id)
    assert.deepEqual(shown.customClaimRules, { environment: 'prod-*', x: 'a=b' })
    assert.match(await at.admin('oauth', 'show', id), /Issuer: +https:\/\/token\.actions\.example\n/)
  })

  test('what is wrong is said', async () => {
    const federated = ['oauth', 'federated', 'create', '--issuer', 'https://i.example', '--scopes', 'dns:read']
    const key = await at.adminJson('keys', 'create')
    const rows: [string[], number, RegExp][] = [
      [['oauth', 'create'], 2, /--scopes/],
      [['oauth', 'create', '--scopes', 'everything'], 1, /No such scope: everything/],
      [['oauth', 'create', '--scopes', 'auth_keys'], 1, /need tags/],
      [[...federated, '--subject', 'x', '--claim', 'y'], 2, /environment=prod/],
      [[...federated, '--subject', '*'], 1, /everybody/],
      [['oauth', 'show', key.id], 1, /`sett admin keys list` shows it/],
      [['oauth', 'revoke', key.id], 1, /`sett admin keys list` shows it/],
      [['oauth', 'revoke', 'kNobodyCNTRL'], 1, /key not found/],
    ]
    for (const [args, code, message] of rows) {
      const ran = await at.ran(...args)
      assert.deepEqual([ran.code, message.test(ran.err)], [code, true], `${args.join(' ')}: ${ran.err}`)
    }
  })
})
