/** `sett admin invites`: links made, listed, made anew and taken back. */

import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { MINUTE_MS } from '../../base/clock.ts'
import { AdminWorld, run } from '../../../test/support/admin-world.ts'

suite('sett admin invites', () => {
  let at: AdminWorld
  before(async () => {
    at = await AdminWorld.make()
  })
  after(() => at.close())

  const LINK = /^https:\/\/sett\.test\/auth\/ticket\/1\.[\w-]{43}\n$/

  test('a link is printed alone on its line; the list has everything but the link', async () => {
    assert.equal(await at.admin('invites', 'list'), 'No open invitations: `sett admin invites create` makes one.\n')
    const link = await at.admin('invites', 'create', '--email', 'bea@alpha.example', '--role', 'auditor')
    assert.match(link, LINK)
    assert.match(await at.admin('invites', 'create'), LINK)
    const listed = await at.admin('invites', 'list')
    assert.match(listed, /^i\w+CNTRL +auditor +bea@alpha\.example +server +2026-01-02 03:04 +2026-02-01 03:04$/m)
    assert.match(listed, /^i\w+CNTRL +member +whoever has the link +server /m)
    assert.ok(!listed.includes(link.trim().slice(-43)))

    const asAdmin = ['--url', at.url, 'invites']
    const env = { SETT_TOKEN: at.world.alpha.tokens.admin }
    const made = await run([...asAdmin, 'create', '--json'], env)
    assert.equal(JSON.parse(made.out).role, 'member')
    assert.match((await run([...asAdmin, 'list'], env)).out, / admin +2026/)

    at.world.clock.advance(MINUTE_MS)
    const again = await at.admin('invites', 'resend', 'Bea@alpha.example')
    assert.match(again, LINK)
    assert.notEqual(again, link)
    assert.match(
      await at.admin('invites', 'delete', 'bea@alpha.example'),
      /^Deleted invitation i\w+CNTRL for bea@alpha\.example\n$/,
    )
    const [{ id }] = await at.adminJson('invites', 'list')
    assert.equal(await at.admin('invites', 'delete', id), `Deleted invitation ${id}\n`)
  })

  test('what is wrong is said', async () => {
    const rows: [string[], number, RegExp][] = [
      [['invites', 'create', '--role', 'owner'], 2, /Allowed choices are member/],
      [['invites', 'create', '--email', 'nobody'], 1, /want a mail address/],
      [['invites', 'resend', 'iNobodyCNTRL'], 1, /`sett admin invites list` shows them/],
      [['invites', 'delete', 'x@alpha.example'], 1, /No open invitation/],
    ]
    for (const [args, code, message] of rows) {
      const ran = await at.ran(...args)
      assert.deepEqual([ran.code, message.test(ran.err)], [code, true], `${args.join(' ')}: ${ran.err}`)
    }
  })
})
