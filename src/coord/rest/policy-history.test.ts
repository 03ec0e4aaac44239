/** Versions of a policy, rolling back, and the second administrator; checks with places; explanations. */

import assert from 'node:assert/strict'
import { beforeEach, suite, test } from 'node:test'
import { DEFAULT_POLICY } from '../../policy/document/index.ts'
import { ROLES } from '../model/records.ts'
import { RestWorld } from '../../../test/support/rest-world.ts'

const OPEN = '{"grants": [{"src": ["*"], "dst": ["*"], "ip": ["*"]}]}'
const CLOSED = '{"grants": []}'
const POLICY = '/sett/tailnet/-/policy'

let world: RestWorld
beforeEach(async () => {
  world = await RestWorld.make()
})

const server = { server: true } as const
const by = (role: keyof RestWorld['alpha']['tokens']) => ({ token: world.alpha.tokens[role] })
type Asking = Parameters<RestWorld['ask']>[2]
const save = (body: string, asking: Asking = server, query = '') =>
  world.ask('POST', `/tailnet/-/acl${query}`, { ...asking, body })
const inForce = async () => (await world.ask('GET', '/tailnet/-/acl', server)).text
const versions = async (): Promise<any[]> => (await world.get(`${POLICY}/versions`)).versions

suite('versions', () => {
  test('are kept with author, time and comment, newest first; a reset is one of them', async () => {
    const token = await world.token('alpha')
    await save(OPEN, by('owner'), '?comment=first')
    world.clock.advance(60_000)
    await save(CLOSED, { token })
    await save('', server, '?comment=start%20over')
    const shown = (await versions()).map(({ etag, ...rest }) => (assert.match(etag, /^"[0-9a-f]{64}"$/), rest))
    assert.deepEqual(shown, [
      {
        version: 3,
        created: '2026-01-02T03:05:05Z',
        by: 'server',
        comment: 'start over',
        size: Buffer.byteLength(DEFAULT_POLICY),
        isReset: true,
        isCurrent: true,
      },
      {
        version: 2,
        created: '2026-01-02T03:05:05Z',
        by: token.split('-')[2],
        comment: '',
        size: Buffer.byteLength(`${CLOSED}\n`),
        isReset: false,
        isCurrent: false,
      },
      {
        version: 1,
        created: '2026-01-02T03:04:05Z',
        by: 'owner',
        comment: 'first',
        size: Buffer.byteLength(`${OPEN}\n`),
        isReset: false,
        isCurrent: false,
      },
    ])
    await save(OPEN)
    assert.deepEqual(
      (await versions()).map(({ isCurrent }) => isCurrent),
      [true, false, false, false],
    )
    const first = await world.ask('GET', `${POLICY}/versions/1`, server)
    assert.deepEqual([first.text, first.headers.get('content-type')], [`${OPEN}\n`, 'application/hujson'])
    const json = await world.ask('GET', `${POLICY}/versions/1`, { ...server, headers: { accept: 'application/json' } })
    assert.deepEqual(JSON.parse(json.text), JSON.parse(OPEN))
  })

  test('come back as new ones, once their tests pass now', async () => {
    const { id } = await world.post('/sett/tailnet/-/users', { loginName: 'anna@example.com', role: 'member' })
    const tested =
      '{"grants": [{"src": ["*"], "dst": ["*"], "ip": ["*"]}], "tests": [{"src": "anna@example.com", "accept": ["anna@example.com:22"]}]}'
    await save(tested)
    await save(CLOSED)
    const back = await world.post(`${POLICY}/versions/1/rollback`, {}, by('admin'))
    assert.deepEqual(
      [back.version.version, back.version.by, back.version.comment, back.version.isCurrent],
      [3, 'admin', 'Back to version 1', true],
    )
    assert.equal(JSON.parse(await inForce()).tests.length, 1)
    // What is in force already makes no version.
    assert.equal((await world.post(`${POLICY}/versions/3/rollback`, {})).version.version, 3)
    await save(CLOSED)
    await world.post(`/users/${id}/delete`)
    const refused = await world.ask('POST', `${POLICY}/versions/1/rollback`, { ...server, body: {} })
    assert.deepEqual([refused.status, refused.body.message], [400, 'test(s) failed'])
    assert.equal(await inForce(), `${CLOSED}\n`)
    await save('')
    assert.equal((await world.post(`${POLICY}/versions/5/rollback`, { comment: 'once more' })).version.version, 5)
    await save(OPEN)
    const reset = await world.post(`${POLICY}/versions/5/rollback`, { comment: 'once more' })
    assert.deepEqual([reset.version.isReset, reset.version.comment], [true, 'once more'])
    assert.equal((await save(OPEN, { ...server, headers: { 'if-match': 'ts-default' } })).status, 200)
  })

  test('that nobody saved are not found', async () => {
    for (const [method, path] of [
      ['GET', '/versions/1'],
      ['POST', '/versions/1/rollback'],
      ['GET', '/versions/0'],
      ['GET', '/versions/current'],
      ['GET', '/proposals/1'],
      ['POST', '/proposals/1/approve'],
      ['POST', '/proposals/1/reject'],
    ] as const)
      assert.equal((await world.ask(method, `${POLICY}${path}`, server)).status, 404, path)
  })

  test('saved at the same moment both stay, one after the other', async () => {
    const saved = await Promise.all([OPEN, CLOSED, '{"acls": []}'].map((text) => save(text)))
    assert.deepEqual(
      saved.map(({ status }) => status),
      [200, 200, 200],
    )
    assert.deepEqual(
      (await versions()).map(({ version }) => version),
      [3, 2, 1],
    )
    // With the tag that each of them saw, only one gets through.
    const headers = { 'if-match': (await world.ask('GET', '/tailnet/-/acl', server)).headers.get('etag') as string }
    const raced = await Promise.all(
      ['{"acls": [], "grants": []}', '{"hosts": {}}'].map((text) => save(text, { ...server, headers })),
    )
    assert.deepEqual(
      raced.map(({ status }) => status).sort((a, b) => a - b),
      [200, 412],
    )
  })

  test('are written by owners, admins and network admins, and read by whoever may read', async () => {
    for (const role of ROLES) {
      const writes = ['owner', 'admin', 'network-admin'].includes(role)
      assert.equal((await save(OPEN, by(role))).status, writes ? 200 : 403, role)
      assert.equal((await world.ask('GET', '/tailnet/-/acl', by(role))).status, role === 'member' ? 403 : 200, role)
    }
  })
})

suite('a second administrator', () => {
  const ask = (method: string, path: string, asking: Asking) => world.ask(method, `${POLICY}/proposals${path}`, asking)
  beforeEach(async () => {
    await save(OPEN)
    await world.ask('PATCH', '/tailnet/-/settings', { ...server, body: { policyApprovalOn: true } })
  })

  test('has to approve before anything is in force', async () => {
    const told = await save(CLOSED, by('admin'), '?comment=lock%20down')
    assert.equal(told.status, 202)
    assert.equal(told.body.message, 'The policy waits for another administrator to approve it, as proposal 1')
    const { proposal } = told.body
    assert.deepEqual(
      [proposal.id, proposal.by, proposal.comment, proposal.base, proposal.state],
      ['1', 'admin', 'lock down', 1, 'waiting'],
    )
    assert.equal(await inForce(), `${OPEN}\n`)
    assert.equal((await ask('GET', '/1', server)).body.text, `${CLOSED}\n`)

    assert.equal((await ask('POST', '/1/approve', by('admin'))).status, 403)
    const { body } = await ask('POST', '/1/approve', by('network-admin'))
    assert.deepEqual(
      [body.version.version, body.version.by, body.version.approvedBy, body.version.comment],
      [2, 'admin', 'network-admin', 'lock down'],
    )
    assert.equal(await inForce(), `${CLOSED}\n`)
    const [shown] = (await ask('GET', '', server)).body.proposals
    assert.deepEqual([shown.state, shown.decidedBy, shown.version], ['approved', 'network-admin', 2])
    assert.equal((await ask('POST', '/1/approve', by('owner'))).status, 409)
  })

  test('is never the author, whatever token they use, and always a person', async () => {
    await save(CLOSED, by('admin'))
    const another = await world.token('alpha', { user: 'admin' })
    const nobodys = await world.token('alpha')
    for (const verb of ['approve', 'reject']) {
      for (const token of [world.alpha.tokens.admin, another, nobodys])
        assert.equal((await ask('POST', `/1/${verb}`, { token, body: {} })).status, 403, verb)
      for (const role of ['it-admin', 'auditor', 'billing-admin', 'member'] as const)
        assert.equal((await ask('POST', `/1/${verb}`, { ...by(role), body: {} })).status, 403, role)
    }
    assert.equal((await ask('POST', '/1/approve', server)).status, 200)
    // What the server's own administrator proposes is for somebody else as well.
    await save(OPEN)
    assert.equal((await ask('POST', '/2/approve', server)).status, 403)
    // So is what a token of nobody proposes.
    await save('{"acls": []}', { token: nobodys })
    assert.equal((await ask('POST', '/3/approve', { token: nobodys })).status, 403)
    assert.equal((await ask('POST', '/3/approve', by('owner'))).status, 200)
  })

  test('may turn it down, with a reason', async () => {
    await save(CLOSED, by('admin'))
    const { body } = await ask('POST', '/1/reject', { ...by('owner'), body: { reason: 'not on a Friday' } })
    assert.deepEqual([body.state, body.decidedBy, body.reason], ['rejected', 'owner', 'not on a Friday'])
    assert.equal((await ask('POST', '/1/approve', by('network-admin'))).status, 409)
    assert.equal(await inForce(), `${OPEN}\n`)
  })

  test('approves what was proposed, or nothing: the policy must not have changed, and its tests pass again', async () => {
    const { id } = await world.post('/sett/tailnet/-/users', { loginName: 'anna@example.com', role: 'member' })
    await save(
      '{"grants": [{"src": ["*"], "dst": ["*"], "ip": ["*"]}], "tests": [{"src": "anna@example.com", "accept": ["anna@example.com:22"]}]}',
      by('admin'),
    )
    await save(CLOSED, by('owner'))
    await world.post(`/users/${id}/delete`)
    const failed = await ask('POST', '/1/approve', by('network-admin'))
    assert.deepEqual([failed.status, failed.body.message], [400, 'test(s) failed'])
    await ask('POST', '/2/approve', by('network-admin'))
    await world.post('/sett/tailnet/-/users', { loginName: 'anna@example.com', role: 'member' })
    const shown = (await ask('GET', '', server)).body.proposals
    assert.deepEqual(
      shown.map(({ id, isStale }: { id: string; isStale?: boolean }) => [id, isStale]),
      [
        ['2', undefined],
        ['1', true],
      ],
    )
    const late = await ask('POST', '/1/approve', by('network-admin'))
    assert.deepEqual([late.status, /has changed since/.test(late.body.message)], [409, true])
    assert.equal(await inForce(), `${CLOSED}\n`)
  })

  test('sees one proposal of each author: the same again is the same, another takes its place', async () => {
    await save(CLOSED, by('admin'))
    assert.equal((await save(CLOSED, by('admin'))).body.proposal.id, '1')
    assert.equal((await save('{"acls": []}', by('admin'))).body.proposal.id, '2')
    assert.equal((await save(CLOSED, by('owner'))).body.proposal.id, '3')
    const states = (await ask('GET', '', server)).body.proposals.map(({ state }: { state: string }) => state)
    assert.deepEqual(states, ['waiting', 'waiting', 'superseded'])
  })

  test('is asked about resets and rollbacks too, and not about what is in force already', async () => {
    assert.equal((await save(OPEN, by('admin'))).status, 200)
    assert.equal((await save('', by('admin'))).body.proposal.isReset, true)
    await ask('POST', '/1/approve', by('owner'))
    assert.equal(await inForce(), DEFAULT_POLICY)
    const back = await world.ask('POST', `${POLICY}/versions/1/rollback`, { ...by('admin'), body: {} })
    assert.deepEqual([back.status, back.body.proposal.comment], [202, 'Back to version 1'])
    assert.equal((await ask('POST', '/2/approve', by('owner'))).body.version.version, 3)
    assert.equal(await inForce(), `${OPEN}\n`)
  })

  test('is done without again only by the owner or the server’s administrator', async () => {
    const patch = (asking: Asking, on: boolean) =>
      world.ask('PATCH', '/tailnet/-/settings', { ...asking, body: { policyApprovalOn: on } })
    assert.equal((await patch(by('admin'), false)).status, 403)
    assert.equal((await patch({ token: await world.token('alpha') }, false)).status, 403)
    assert.equal((await patch(by('owner'), false)).status, 200)
    assert.equal((await save(CLOSED, by('admin'))).status, 200)
    assert.equal((await patch(by('admin'), true)).body.policyApprovalOn, true)
  })
})

suite('checking with places', () => {
  const check = async (body: string) => (await world.ask('POST', `${POLICY}/check`, { ...server, body })).body

  test('tells of a mistake, of tests and of warnings where they stand', async () => {
    await world.post('/sett/tailnet/-/users', { loginName: 'anna@example.com', role: 'member' })
    const told = await check('')
    assert.deepEqual([told.message, told.tests, told.failures], [undefined, 0, []])
    assert.deepEqual(await check('{"grants": []}'), { tests: 0, failures: [], warnings: [] })
    assert.deepEqual(await check('{\n"grants": [{"src": ["tag:x"], "dst": ["*"], "ip": ["*"]}]}'), {
      message: 'src=tag not found: "tag:x"',
      at: { line: 2, column: 21 },
      tests: 0,
      failures: [],
      warnings: [],
    })
    const report = await check(`{
  "groups": {"group:a": ["bob@example.com"]},
  "grants": [],
  "tests": [{"src": "anna@example.com", "accept": ["anna@example.com:1"]}, {"src": "anna@example.com", "deny": ["anna@example.com:1"]}],
}`)
    assert.deepEqual(report, {
      message: 'test(s) failed',
      tests: 2,
      failures: [
        {
          user: 'anna@example.com',
          errors: ['address "anna@example.com:1": want: Accept, got: Drop'],
          at: { line: 4, column: 13 },
        },
      ],
      warnings: [
        { about: 'group:a', text: '"group:a": user not found: "bob@example.com"', at: { line: 2, column: 26 } },
      ],
    })
  })

  test('notes what a policy means without saying so', async () => {
    const rows = [
      { policy: '{}', about: ['grants'], at: { line: 1, column: 1 } },
      { policy: '{"acls": []}', about: [], at: undefined },
      {
        policy: '{"acls": [], "derpMap": {"regions": {"900": null}}}',
        about: ['derpMap'],
        at: { line: 1, column: 1 },
      },
      { policy: '{"acls": [], "derpMap": {"regions": {"1": null}}}', about: [], at: undefined },
      {
        policy:
          '{"grants": [], "ssh": [{"action": "check", "src": ["autogroup:member"], "dst": ["autogroup:self"], "users": ["root"]}]}',
        about: [],
        at: undefined,
      },
    ]
    for (const { policy, about, at } of rows) {
      const { message, warnings } = await check(policy)
      assert.deepEqual([message, warnings.map((note: { about: string }) => note.about)], [undefined, about], policy)
      assert.deepEqual(warnings[0]?.at, at)
      // What copies the service says nothing of its own.
      assert.deepEqual((await world.ask('POST', '/tailnet/-/acl/validate', { ...server, body: policy })).body, {})
    }
  })
})

suite('differences', () => {
  const diff = (body: string) => world.ask('POST', `${POLICY}/diff`, { ...server, body })

  test('tell which flows open and close, by people, tags and devices with names', async () => {
    await save(OPEN)
    assert.deepEqual((await diff(OPEN)).body, {
      flows: [],
      logins: [],
      sight: [],
      routes: [],
      complete: true,
      nodes: {},
    })
    const told = await diff(
      '{"tagOwners": {"tag:office": []}, "grants": [{"src": ["autogroup:owner"], "dst": ["tag:office"], "ip": ["tcp:22"]}]}',
    )
    assert.equal(told.status, 200)
    const { flows, complete } = told.body
    assert.equal(complete, true)
    assert.ok(flows.length > 0 && flows.every(({ opens }: { opens: unknown[] }) => opens.length === 0))
    assert.ok(JSON.stringify(flows).includes('"tag:office"'))
    assert.equal((await diff('{')).status, 400)
  })

  test('stand beside a proposal, of the version that it is to replace', async () => {
    await save(OPEN)
    await world.ask('PATCH', '/tailnet/-/settings', { ...server, body: { policyApprovalOn: true } })
    const [wanted] = [(await diff(CLOSED)).body]
    await save(CLOSED, by('admin'))
    assert.deepEqual((await world.get(`${POLICY}/proposals/1`)).diff, wanted)
    assert.ok(wanted.flows.length > 0)
  })
})

suite('reports', () => {
  test('tell how much is open, of the policy in force or of another', async () => {
    const inForce = (await world.ask('POST', `${POLICY}/report`, { ...server, body: '' })).body
    assert.deepEqual([inForce.nodes, inForce.reach.pairs, inForce.reach.openPairs], [2, 2, 2])
    assert.equal(inForce.openToAll[0].rule.kind, 'grant')
    const body = '{"groups": {"group:idle": []}, "tagOwners": {"tag:spare": []}, "grants": []}'
    const told = (await world.ask('POST', `${POLICY}/report`, { ...server, body })).body
    assert.equal(told.reach.openPairs, 0)
    assert.deepEqual(told.unused.groups, [{ name: 'group:idle', at: { line: 1, column: 13 } }])
    assert.deepEqual(
      told.unused.tags.map(({ name }: { name: string }) => name),
      ['tag:spare'],
    )
    assert.equal((await world.ask('POST', `${POLICY}/report`, { ...server, body: '{' })).status, 400)
  })
})

suite('explaining', () => {
  const explain = (query: Record<string, string>, body = '') =>
    world.ask('POST', `${POLICY}/explain?${new URLSearchParams(query).toString()}`, { ...server, body })

  test('finds devices by name, id and address, people and tags, and says by which rule', async () => {
    await save(
      '{\n"tagOwners": {"tag:office": []},\n"grants": [\n{"src": ["autogroup:owner"], "dst": ["tag:office"], "ip": ["tcp:22"]}]}',
    )
    const { laptop, printer } = world.alpha
    for (const src of ['laptop', 'LAPTOP.alpha.sett.internal.', laptop.stableId, String(laptop.id), laptop.ipv4])
      for (const dst of ['printer', printer.stableId, printer.ipv4]) {
        const told = await explain({ src, dst: `${dst}:22` })
        assert.deepEqual([told.status, told.body.verdict], [200, 'allowed'], `${src} ${dst}`)
        assert.deepEqual(told.body.flows[0].by[0].rule, { kind: 'grant', index: 0, at: { line: 4, column: 3 } })
        assert.equal((await explain({ src, dst: `${dst}:23` })).body.verdict, 'refused')
        assert.equal((await explain({ src, dst: `${dst}:22`, proto: 'udp' })).body.verdict, 'refused')
      }
    const named = (await explain({ src: 'owner', dst: 'tag:office:22' })).body
    assert.deepEqual([named.verdict, named.nodes], ['allowed', { [laptop.id]: 'laptop', [printer.id]: 'printer' }])
    // By another policy than the one in force.
    assert.equal((await explain({ src: 'laptop', dst: 'printer:23' }, OPEN)).body.verdict, 'allowed')
  })

  test('refuses what it does not understand', async () => {
    const rows = [
      { query: { src: 'nobody', dst: 'printer:22' }, status: 404 },
      { query: { src: 'laptop', dst: 'nobody:22' }, status: 404 },
      { query: { src: 'laptop', dst: 'printer' }, status: 400 },
      { query: { src: 'laptop', dst: 'printer:0' }, status: 400 },
      { query: { src: 'laptop', dst: '2001:db8::1' }, status: 400 },
      { query: { src: 'laptop', dst: 'printer:22', proto: 'smoke' }, status: 400 },
      { query: { src: 'laptop', dst: 'printer', proto: 'icmp' }, status: 200 },
      { query: { src: 'laptop', dst: '2001:db8::1', proto: 'icmp' }, status: 200 },
      { query: { src: 'laptop', dst: '[2001:db8::1]:22' }, status: 200 },
    ]
    for (const { query, status } of rows) assert.equal((await explain(query)).status, status, JSON.stringify(query))
    assert.equal((await explain({ src: 'laptop', dst: 'printer:22' }, '{')).status, 400)
  })

  test('says which of the two is not understood, and why', async () => {
    const hosts = { db: '10.1.2.3', six: '2001:db8::1', office: '10.1.0.0/16', laptop: '10.9.9.9' }
    await save(JSON.stringify({ hosts, tagOwners: { 'tag:declared': [] }, grants: [] }))
    const refusals = [
      { src: 'nobody', dst: 'printer:22', says: /^src: there is no .* "nobody"/ },
      { src: 'laptop', dst: 'nobody:22', says: /^dst: there is no .* "nobody"/ },
      { src: 'tag:nope', dst: 'printer:22', says: /^src: .* "tag:nope"/ },
      { src: 'laptop', dst: 'printer', says: /want a port behind it/ },
      { src: 'laptop', dst: 'tag:office', says: /want a port behind it/ },
      { src: 'laptop', dst: 'printer:http', says: /"http" is no port: .* printer:443/ },
      { src: 'laptop', dst: 'printer:99999', says: /"99999" is no port/ },
      { src: 'laptop', dst: 'printer:0', says: /"0" is no port/ },
      { src: 'laptop', dst: 'printer:1-5', says: /"1-5" is no port: want one number/ },
      { src: 'laptop', dst: 'printer:', says: /"" is no port/ },
      { src: 'laptop', dst: 'tag:office:ssh', says: /"ssh" is no port/ },
      { src: 'laptop', dst: 'office:22', says: /"office" stands for 10\.1\.0\.0\/16: want one address/ },
      { src: 'laptop', dst: '100.100.100.100:53', says: /every client itself/ },
      { src: 'laptop', dst: '[fd7a:115c:a1e0::53]:53', says: /every client itself/ },
    ]
    for (const { says, ...query } of refusals) {
      const told = await explain(query)
      assert.ok([400, 404].includes(told.status), JSON.stringify(query))
      assert.match(told.body.message, says)
    }
    const understood = [
      { dst: 'db:22', addresses: ['10.1.2.3'] },
      { dst: 'six:22', addresses: ['2001:db8::1'] },
      // A device counts before a host of its name.
      { dst: 'laptop:22', addresses: [world.alpha.laptop.ipv4, world.alpha.laptop.ipv6] },
    ]
    for (const { dst, addresses } of understood)
      assert.deepEqual((await explain({ src: 'printer', dst })).body.flows[0].to.addresses, addresses, dst)
    const { verdict, missing } = (await explain({ src: 'tag:declared', dst: 'printer:22' })).body
    assert.deepEqual([verdict, missing], ['refused', ['src']])
  })
})
