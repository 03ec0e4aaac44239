/** `sett admin policy` from end to end: command lines and files against the REST API behind a real socket. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { after, before, beforeEach, suite, test } from 'node:test'
import { AdminWorld, run } from '../../../test/support/admin-world.ts'
import { DEFAULT_POLICY } from '../../policy/document/index.ts'

const OPEN = '{\n\t// Everything.\n\t"grants": [{"src": ["*"], "dst": ["*"], "ip": ["*"]}],\n}\n'
const TESTED = `{
  "grants": [],
  "tests": [
    {"src": "anna@example.com", "accept": ["anna@example.com:22"]},
  ],
}
`

suite('sett admin policy', () => {
  let at: AdminWorld
  before(async () => {
    at = await AdminWorld.make()
    const { id } = await at.world.post('/sett/tailnet/-/users', { loginName: 'anna@example.com', role: 'member' })
    await at.world.join(1, Number(id), 'annas')
  })
  after(() => at.close())
  beforeEach(async () => {
    await at.admin('policy', 'set', file('open', OPEN), '--force')
  })
  const policy = (...args: string[]) => at.admin('policy', ...args)
  const ran = (...args: string[]) => at.ran('policy', ...args)

  function file(name: string, text: string): string {
    const path = join(at.dir, name)
    writeFileSync(path, text)
    return path
  }

  test('get prints the text as it is, a version’s too, or the text with its tag as JSON', async () => {
    assert.equal(await policy('get'), OPEN)
    const got = await at.adminJson('policy', 'get')
    assert.deepEqual([got.text, /^"[0-9a-f]{64}"$/.test(got.etag)], [OPEN, true])
    await policy('reset')
    assert.equal(await policy('get'), DEFAULT_POLICY)
    assert.equal(await policy('get', '--version', '1'), OPEN)
    assert.equal((await ran('get', '--version', '99')).code, 1)
    assert.equal((await ran('get', '--version', 'x')).code, 2)
  })

  test('set saves with a comment, says when nothing changed, and minds what was there', async () => {
    const closed = file('closed', '{"grants": []}')
    const { etag } = await at.adminJson('policy', 'get')
    assert.match(await policy('set', closed, '--comment', 'lock down'), /^Saved, "[0-9a-f]{64}"\n$/)
    assert.match(await policy('set', closed), /already/)
    assert.match(await policy('history'), /in force +lock down/)
    const stale = await ran('set', file('open', OPEN), '--if-match', etag)
    assert.deepEqual([stale.code, /another one than was expected/.test(stale.err)], [1, true])
    assert.equal((await ran('set', file('open', OPEN), '--if-match', etag, '--force')).code, 2)
    assert.match(
      await policy('set', file('open', OPEN), '--if-match', (await at.adminJson('policy', 'get')).etag),
      /Saved/,
    )
  })

  test('set and check tell of mistakes as FILE:LINE:COLUMN, and change nothing', async () => {
    const rows = [
      { text: '{"grants": [', says: (f: string) => [`${f}:1:13: parsing value: unexpected EOF`] },
      {
        text: '{\n  "grants": [\n    {"src": ["tag:x"], "dst": ["*"], "ip": ["*"]},\n  ],\n}\n',
        says: (f: string) => [`${f}:3:14: src=tag not found: "tag:x"`],
      },
      {
        text: TESTED,
        says: (f: string) => [
          `${f}:4:5: test from "anna@example.com" failed`,
          '  address "anna@example.com:22": want: Accept, got: Drop',
        ],
      },
    ]
    for (const { text, says } of rows) {
      const path = file('wrong', text)
      const [set, check] = [await ran('set', path), await ran('check', path)]
      assert.deepEqual([set.code, set.out, check.code, check.err], [1, '', 1, ''])
      assert.deepEqual(set.err.split('\n').slice(0, says(path).length), says(path))
      assert.deepEqual(check.out.split('\n').slice(0, says(path).length), says(path))
      assert.equal(await policy('get'), OPEN)
    }
    const report = JSON.parse((await ran('check', file('wrong', TESTED), '--json')).out)
    assert.deepEqual([report.message, report.failures[0].at], ['test(s) failed', { line: 4, column: 5 }])
  })

  test('a save whose answer does not come may have been one', async () => {
    const path = join(at.dir, 'hangs-up.sock')
    const headers = { 'content-type': 'application/hujson', etag: '"ab"' }
    const server = createServer((req, res) =>
      req.method === 'GET' ? res.writeHead(200, headers).end(OPEN) : req.socket.destroy(),
    )
    server.listen(path)
    await once(server, 'listening')
    for (const args of [['set', file('closed', '{"grants": []}')], ['reset'], ['rollback', '1'], ['approve', '1']]) {
      const { code, err } = await run(['--socket', path, 'policy', ...args])
      assert.deepEqual([code, /may have been saved all the same: .*history/.test(err)], [3, true], err)
    }
    server.close()
  })

  test('a file that is too large is named, with the limit', async () => {
    const large = file('large', `{"grants": []} // ${'x'.repeat(1 << 20)}\n`)
    for (const args of [
      ['set', large],
      ['check', large],
      ['diff', large],
      ['report', large],
    ]) {
      const { code, out, err } = await ran(...args)
      assert.deepEqual([code, out], [1, ''])
      assert.match(err, /large: The policy is \d+ bytes, and 1048576 is the most/)
    }
  })

  test('a file that is empty, missing or no text is a wrong command line', async () => {
    const binary = join(at.dir, 'binary')
    writeFileSync(binary, new Uint8Array([0x7b, 0xff]))
    for (const args of [
      ['set', file('empty', ' \n')],
      ['set', join(at.dir, 'missing')],
      ['set', binary],
      ['check', binary],
    ])
      assert.equal((await ran(...args)).code, 2, args.join(' '))
    // Empty, it is a mistake of the policy, and never a question about the one in force.
    const empty = file('empty', '\u{feff} \n')
    for (const args of [
      ['check', empty],
      ['test', empty],
    ])
      assert.equal((await ran(...args)).code, 1)
    for (const args of [
      ['explain', 'annas', 'printer:22', '--policy', empty],
      ['report', empty],
      ['diff', empty],
      ['preview', empty, '--user', 'anna@example.com'],
    ]) {
      const { code, out, err } = await ran(...args)
      assert.deepEqual([code, out, err], [1, '', `sett admin: ${empty} is empty: there is no policy in it\n`])
    }
  })

  test('check and test say what passed, and warn', async () => {
    const good = TESTED.replace('[],', '[{"src": ["*"], "dst": ["*"], "ip": ["22"]}],')
    assert.equal(await policy('check', file('good', good)), 'The policy is good: 1 test passed.\n')
    assert.equal(await policy('test'), 'The policy is good. It has no tests.\n')
    assert.match(await policy('check', file('bare', '{}')), /bare:1:1: warning: there are neither grants nor acls/)
    const self = await ran('check', file('self', '{"nodeAttrs": [{"target": ["autogroup:self"], "attr": ["x"]}]}'))
    assert.match(self.out, /self:1:28: internal server error\n +"autogroup:self" can not be a target of nodeAttrs/)
    await policy('set', file('good', good))
    assert.equal(await policy('test'), 'The policy is good: 1 test passed.\n')
    const failed = await ran('test', file('tested', TESTED))
    assert.deepEqual([failed.code, failed.out.trimEnd().split('\n').at(-1)], [1, '1 of 1 test failed.'])
    const warned = await policy('check', file('warned', '{"groups": {"group:a": ["bob@example.com"]}, "grants": []}'))
    assert.match(warned, /warned:1:25: warning: "group:a": user not found: "bob@example.com"\n/)
  })

  test('fmt lays a file out without a server, in place if told so', async () => {
    const untidy = '{"grants":[{"src":["*"],"dst":["*"],"ip":["*"]}], // all\n}'
    const tidy = '{\n\t"grants": [{"src": ["*"], "dst": ["*"], "ip": ["*"]}], // all\n}\n'
    const path = file('untidy', untidy)
    const alone = (...args: string[]) => run(['--socket', join(at.dir, 'no-socket'), 'policy', 'fmt', ...args])
    assert.deepEqual(await alone(path), { code: 0, out: tidy, err: '' })
    const toDo = await alone(path, '--check')
    assert.deepEqual([toDo.code, toDo.err.includes(`fmt ${path} -w`)], [1, true])
    assert.equal(readFileSync(path, 'utf8'), untidy)
    assert.deepEqual(await alone(path, '-w'), { code: 0, out: '', err: '' })
    assert.equal(readFileSync(path, 'utf8'), tidy)
    assert.deepEqual(await alone(path, '--check'), { code: 0, out: '', err: '' })
    const { etag } = JSON.parse((await alone(path, '--json')).out)
    await policy('set', path)
    assert.equal(etag, (await at.adminJson('policy', 'get')).etag)
    // The mark that some editors begin a file with is no mistake, and is not kept.
    const marked = file('marked', `\u{feff}${untidy}`)
    assert.equal(await policy('check', marked), 'The policy is good. It has no tests.\n')
    assert.equal((await alone(marked)).out, tidy)
    assert.equal((await alone(marked, '--check')).code, 1)
    const broken = await alone(file('broken', '{\n  "a" 1}'))
    assert.deepEqual([broken.code, /broken:2:7: /.test(broken.err)], [1, true])
  })

  test('history lists versions, and rollback puts one back', async () => {
    const { versions } = await at.adminJson('policy', 'history')
    const [{ version }] = versions
    await policy('set', file('closed', '{"grants": []}'))
    assert.match(
      await policy('rollback', String(version), '--comment', 'oops'),
      new RegExp(`Version ${version} is in force again, as version ${version + 2}\n`),
    )
    assert.equal(await policy('get'), OPEN)
    assert.match(await policy('history'), /^VERSION +SAVED +BY[^]*in force +oops/)
    assert.match(await policy('rollback', String(version + 2)), /already/)
    assert.equal((await ran('rollback', '999')).code, 1)
    assert.equal((await ran('rollback', 'first')).code, 2)
  })

  test('preview shows the rules for a user, or for an address and port', async () => {
    const path = file('open', OPEN)
    assert.match(await policy('preview', path, '--user', 'anna@example.com'), /open:3 +\* +\*:\*/)
    assert.match(await policy('preview', path, '--ipport', '100.64.0.1:22'), /open:3/)
    assert.match(
      await policy('preview', file('none', '{"grants": []}'), '--user', 'anna@example.com'),
      /No rule counts for anna/,
    )
    assert.equal((await ran('preview', path)).code, 2)
    assert.equal((await ran('preview', path, '--user', 'a', '--ipport', 'b')).code, 2)
    assert.equal((await ran('preview', path, '--ipport', 'web:22')).code, 1)
  })

  test('explain says by which rule, or what would allow it', async () => {
    assert.match(
      await policy('explain', 'annas', 'printer:22'),
      /^allowed: annas .* to printer .*\n {2}by grants\[0\] \(line 3, column 13\)/,
    )
    const refused = await ran('explain', 'annas', 'printer:22', '--policy', file('none', '{"grants": []}'))
    assert.deepEqual([refused.code, refused.err], [1, ''])
    assert.match(refused.out, /^refused: [^]*would allow it/)
    assert.equal(
      (await ran('explain', 'annas', 'printer:22', '--json', '--policy', file('none', '{"grants": []}'))).code,
      1,
    )
    assert.equal((await at.adminJson('policy', 'explain', 'annas', 'printer:22', '--proto', 'udp')).protocol, 17)
    assert.equal((await ran('explain', 'nobody', 'printer:22')).code, 1)
    assert.equal((await ran('explain', 'annas')).code, 2)
  })

  test('diff says what opens and closes', async () => {
    assert.match(await policy('diff', file('open', OPEN)), /^Nothing changes/)
    assert.match(await policy('diff', file('none', '{"grants": []}')), /^- everybody to everybody: /)
    assert.equal((await at.adminJson('policy', 'diff', file('none', '{"grants": []}'))).complete, true)
    assert.match((await ran('diff', file('wrong', '{'))).err, /wrong:1:2: /)
  })

  test('report says how much is open, and what does nothing', async () => {
    assert.match(
      await policy('report'),
      /^3 nodes of 8 users\n6 of 6 pairs have something open \(100%\)\n[^]*Open to everybody:\n {2}grants\[0\]/,
    )
    assert.match(
      await policy('report', file('bare', '{}')),
      /Open to everybody:\n {2}there are neither grants nor acls/,
    )
    const idle = file('idle', '{"groups": {"group:idle": []}, "grants": []}')
    assert.match(await policy('report', idle), /Groups that nothing uses:\n {2}group:idle/)
    assert.equal((await at.adminJson('policy', 'report', idle)).reach.openPairs, 0)
    assert.equal((await ran('report', file('wrong', '{'))).code, 1)
  })

  test('proposals wait for another administrator, and are approved or rejected by them', async () => {
    await at.admin('tailnets', 'settings', 'policyApprovalOn=true')
    const token = at.world.alpha.tokens.admin
    const asAdmin = (...args: string[]) => run(['--url', at.url, ...args], { SETT_TOKEN: token })
    const propose = async (id: string, text: string): Promise<void> => {
      const { code, out } = await asAdmin('policy', 'set', file('proposed', text))
      const says = `The policy waits for another administrator to approve it, as proposal ${id}\n`
      assert.deepEqual([code, out], [0, says])
      assert.match(await policy('proposals'), new RegExp(`${id} .* admin +waiting`))
      assert.equal(await policy('proposals', id), text)
      assert.match(await policy('proposals', id, '--diff'), /everybody to everybody/)
      for (const verb of ['approve', 'reject']) assert.equal((await asAdmin('policy', verb, id)).code, 1)
    }
    for (const args of [
      ['approve', 'x'],
      ['reject', 'x'],
      ['proposals', 'x'],
    ])
      assert.equal((await ran(...args)).code, 2, args.join(' '))
    await propose('1', '{"grants": []}\n')
    assert.match(await policy('approve', '1'), /Proposal 1 is in force, as version \d+\n/)
    assert.equal(await policy('get'), '{"grants": []}\n')
    await propose('2', OPEN)
    await at.admin('tailnets', 'settings', 'policyApprovalOn=false')
    await policy('set', file('other', '{"acls": []}'))
    assert.match(await policy('proposals'), /2 .* admin +waiting, stale[^]*\nStale: the policy has changed since;/)
    await at.admin('tailnets', 'settings', 'policyApprovalOn=true')
    assert.match(await policy('reject', '2', '--reason', 'no'), /Proposal 2 is rejected/)
    assert.match(await policy('proposals'), /2 .* rejected +server +no/)
    await at.admin('tailnets', 'settings', 'policyApprovalOn=false')
  })

  test('deleting somebody tells where the policy names them still', async () => {
    const remove = async (login: string, text: string) => {
      await at.admin('users', 'create', login)
      await policy('set', file('naming', text), '--force')
      const { code, out, err } = await at.ran('users', 'delete', login)
      assert.deepEqual([code, out], [0, `Deleted ${login}\n`])
      return err
    }
    const named = (tests: string) =>
      `{\n"groups": {"group:a": ["Zoe@example.com", "zoe@example.com.au"]},\n"grants": [{"src": ["group:a"], "dst": ["zoe@example.com"], "ip": ["22"]}]${tests}}`
    const inRules = await remove('zoe@example.com', named(''))
    assert.match(inRules, /^Note: the policy still names zoe@example.com: groups \(2:\d+\), grants \(3:\d+\)\. Whoever/)
    const inTests = await remove(
      'zoe@example.com',
      named(',\n"tests": [{"src": "anna@example.com", "deny": ["zoe@example.com:443"]}]'),
    )
    assert.match(inTests, /, tests \(4:\d+\)\. Its tests may fail now/)
    assert.equal(await remove('yan@example.com', OPEN), '')
  })
})
