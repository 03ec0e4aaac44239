/** The policy's routes, line by line of api-v2.md §5, and the sequences of calls that official clients make. */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { beforeEach, suite, test } from 'node:test'
import { DEFAULT_POLICY } from '../../policy/document/index.ts'
import { format, parse } from '../../policy/hujson/index.ts'
import { RestWorld, SERVER_IDENTITY } from '../../../test/support/rest-world.ts'
import type { Told } from '../../../test/support/rest-world.ts'

const ACL = '/tailnet/-/acl'
const OPEN = '{\n// Everything.\n"grants": [{"src": ["*"], "dst": ["*"], "ip": ["*"]}],\n}'
const CLOSED = '{"grants": []}'
const STALE = { message: 'precondition failed, invalid old hash' }

/** What gitops-pusher computes of a local file. */
function checksum(text: string): string {
  return createHash('sha256')
    .update(format(parse(text)))
    .digest('hex')
}

let world: RestWorld
beforeEach(async () => {
  world = await RestWorld.make()
})

type Headers = Record<string, string>
const get = (query = '', headers: Headers = {}) => world.ask('GET', `${ACL}${query}`, { server: true, headers })
const post = (body: string, headers: Headers = {}, query = '') =>
  world.ask('POST', `${ACL}${query}`, { server: true, body, headers })
const validate = (body: string) => world.ask('POST', `${ACL}/validate`, { server: true, body })
const typeOf = ({ headers }: Told) => headers.get('content-type')

/** A person with a device, whom tests can name. */
async function anna(): Promise<void> {
  const { id } = await world.post('/sett/tailnet/-/users', { loginName: 'anna@example.com', role: 'member' })
  await world.join(1, Number(id), 'annas')
}
const failing = '{"grants": [], "tests": [{"src": "anna@example.com", "accept": ["anna@example.com:22"]}]}'

suite('the policy of a tailnet', () => {
  test('is the default one, laid out, until somebody saves another', async () => {
    const told = await get()
    assert.deepEqual([told.status, typeOf(told), told.text], [200, 'application/hujson', DEFAULT_POLICY])
    assert.equal(told.headers.get('etag'), `"${checksum(DEFAULT_POLICY)}"`)
  })

  test('comes as text with comments, or as plain JSON, as Accept asks', async () => {
    await post(OPEN)
    const laidOut = format(parse(OPEN))
    const plain = { grants: [{ src: ['*'], dst: ['*'], ip: ['*'] }] }
    const rows = [
      { accept: undefined, want: 'application/hujson' },
      { accept: 'application/hujson', want: 'application/hujson' },
      { accept: '*/*', want: 'application/hujson' },
      { accept: 'text/html', want: 'application/hujson' },
      { accept: 'application/json', want: 'application/json' },
      { accept: 'Application/JSON; charset=utf-8', want: 'application/json' },
    ]
    for (const { accept, want } of rows) {
      const headers: Headers = accept === undefined ? {} : { accept }
      for (const told of [await get('', headers), await post(OPEN, headers)]) {
        assert.deepEqual([told.status, typeOf(told)], [200, want], String(accept))
        if (want === 'application/json') assert.deepEqual(JSON.parse(told.text), plain)
        else assert.equal(told.text, laidOut)
        assert.equal(told.headers.get('etag'), `"${checksum(OPEN)}"`, String(accept))
      }
    }
  })

  test('comes with details in JSON, whatever Accept says', async () => {
    await post('{"groups": {"group:dev": ["nobody@example.com"]}, "acls": []} // end\n')
    for (const query of ['?details=1', '?details=true']) {
      const told = await get(query, { accept: 'application/hujson' })
      assert.equal(typeOf(told), 'application/json')
      const { acl, warnings, errors } = told.body
      assert.equal(Buffer.from(acl, 'base64').toString(), (await get()).text)
      assert.deepEqual(warnings, ['"group:dev": user not found: "nobody@example.com"'])
      assert.equal(errors, null)
      assert.equal(told.headers.get('etag'), (await get()).headers.get('etag'))
    }
    await post(CLOSED)
    assert.equal((await get('?details=1')).body.warnings, null)
    for (const query of ['?details=0', '?details=']) assert.equal(typeOf(await get(query)), 'application/hujson')
  })

  test('is taken as HuJSON or JSON, whatever the content type says', async () => {
    for (const type of ['application/hujson', 'application/json', 'text/plain', 'application/x-www-form-urlencoded'])
      for (const body of [OPEN, CLOSED]) {
        const told = await post(body, { 'content-type': type })
        assert.deepEqual([told.status, told.text], [200, format(parse(body))], type)
      }
  })

  test('has the tag of its laid out text, which the same text written otherwise keeps', async () => {
    const first = await post(OPEN)
    for (const same of [OPEN, `  ${OPEN.replaceAll('\n', '\r\n')}\n\n`, first.text]) {
      assert.equal((await post(same)).headers.get('etag'), `"${checksum(OPEN)}"`)
    }
    // Saving what is there makes no version.
    assert.equal((await world.get('/sett/tailnet/-/policy/versions')).versions.length, 1)
  })

  test('is replaced only if If-Match says what is there', async () => {
    await post(OPEN)
    const [now, other] = [checksum(OPEN), checksum(CLOSED)]
    const rows = [
      { ifMatch: `"${other}"`, status: 412 },
      { ifMatch: other, status: 412 },
      { ifMatch: '""', status: 412 },
      { ifMatch: '"ts-default"', status: 412 },
      { ifMatch: 'ts-default', status: 412 },
      { ifMatch: 'nonsense', status: 412 },
      { ifMatch: `"${now}"`, status: 200 },
      { ifMatch: now, status: 200 },
      { ifMatch: `W/"${now}"`, status: 200 },
      { ifMatch: `"${other}", "${now}"`, status: 200 },
      { ifMatch: '*', status: 200 },
    ]
    for (const { ifMatch, status } of rows) {
      const told = await post(CLOSED, { 'if-match': ifMatch })
      assert.equal(told.status, status, ifMatch)
      if (status === 412) assert.deepEqual(told.body, STALE)
      else await post(OPEN)
    }
  })

  test('is untouched for ts-default until the first change, and after every reset', async () => {
    for (const ifMatch of ['"ts-default"', 'ts-default']) {
      assert.equal((await post(CLOSED, { 'if-match': ifMatch })).status, 200)
      assert.equal((await post(OPEN, { 'if-match': ifMatch })).status, 412)
      const reset = await post('')
      assert.deepEqual(
        [reset.status, reset.text, reset.headers.get('etag')],
        [200, DEFAULT_POLICY, `"${checksum(DEFAULT_POLICY)}"`],
      )
    }
    // The default's own text, saved by somebody, is theirs.
    await post(DEFAULT_POLICY)
    assert.equal((await post(CLOSED, { 'if-match': 'ts-default' })).status, 412)
    assert.equal((await post(CLOSED, { 'if-match': `"${checksum(DEFAULT_POLICY)}"` })).status, 200)
  })

  test('of nothing but blanks is a reset, and one of nothing but a comment is a mistake', async () => {
    await post(CLOSED)
    assert.equal((await post(' \n\t')).text, DEFAULT_POLICY)
    assert.equal((await post('// nothing\n')).status, 400)
  })

  test('that is refused changes nothing, and its mistake is placed', async () => {
    await anna()
    await post(OPEN)
    const before = await get()
    const rows = [
      { body: '{', message: 'hujson: line 1, column 2: parsing value: unexpected EOF', at: { line: 1, column: 2 } },
      { body: '[]', message: /./, at: undefined },
      {
        body: '{\n  "grants": [{"src": ["tag:web"], "dst": ["*"], "ip": ["*"]}]\n}',
        message: 'src=tag not found: "tag:web"',
        at: { line: 2, column: 23 },
      },
      { body: failing, message: 'test(s) failed', at: undefined },
    ]
    for (const { body, message, at } of rows) {
      const told = await post(body)
      assert.equal(told.status, 400, body)
      if (typeof message === 'string') assert.equal(told.body.message, message)
      if (at !== undefined) assert.deepEqual(told.body.at, at)
      // Validation says the same, and that with a status of success.
      const validated = await validate(body)
      if (body !== '[]') assert.deepEqual([validated.status, validated.body], [200, told.body], body)
    }
    const after = await get()
    assert.deepEqual([after.text, after.headers.get('etag')], [before.text, before.headers.get('etag')])
    assert.equal((await world.get('/sett/tailnet/-/policy/versions')).versions.length, 1)
  })

  test('names every test that fails', async () => {
    await anna()
    const told = await post(failing)
    assert.deepEqual(told.body, {
      message: 'test(s) failed',
      data: [
        {
          user: 'anna@example.com',
          errors: ['address "anna@example.com:22": want: Accept, got: Drop'],
          at: { line: 1, column: 26 },
        },
      ],
    })
  })

  test('may be large, and not without end', async () => {
    const long = (bytes: number) => `{"grants": []} // ${'x'.repeat(bytes)}\n`
    assert.equal((await post(long(1_000_000))).status, 200)
    assert.equal((await post(long(1 << 20))).status, 413)
  })

  test('is served as it may be sent back: the limit is that of the text once it is laid out', async () => {
    // Each name is short on its line; laid out, all of them are padded to the longest.
    const hosts = (count: number) =>
      `{"grants": [], "hosts": {\n${Array.from({ length: count }, (_, i) => `"h${i}":"10.0.0.1"`).join(',\n')},\n"${'x'.repeat(60)}":"10.0.0.2"}}\n`
    const sent = hosts(15_000)
    assert.ok(Buffer.byteLength(sent) < 1 << 19)
    for (const told of [
      await post(sent),
      await world.ask('POST', `${ACL}/preview?type=user&previewFor=owner`, { server: true, body: sent }),
    ]) {
      assert.equal(told.status, 413)
      assert.match(told.body.message, /^The policy is \d+ bytes once it is laid out, .* 1048576/)
    }
    const { message } = await world.post('/sett/tailnet/-/policy/check', sent)
    assert.match(message, /laid out/)
    assert.equal((await get()).text, DEFAULT_POLICY)

    const { status, text } = await post(hosts(10_000))
    assert.equal(status, 200)
    assert.ok(Buffer.byteLength(text) > 700_000)
    assert.deepEqual([(await post((await get()).text)).status, (await get()).text === text], [200, true])
  })

  test('that means harm is refused in words, and never an error of the server', async () => {
    const nested = `${'['.repeat(5000)}${']'.repeat(5000)}`
    const rows = [
      { name: 'deeper than any reader goes', body: `${'['.repeat(20_000)}${']'.repeat(20_000)}` },
      { name: 'deep', body: `{"nodeAttrs": ${nested}}` },
      { name: 'deep where anything may stand', body: `{"derpMap": {"Regions": {"1": ${nested}}}}` },
      { name: 'the prototype as a section', body: '{"__proto__": {"grants": []}}' },
      { name: 'the prototype as a name', body: '{"groups": {"__proto__": ["a@b.c"]}, "acls": []}' },
      {
        name: 'a source that every object has',
        body: '{"grants": [{"src": ["constructor"], "dst": ["*"], "ip": ["*"]}]}',
      },
      { name: 'ipsets in a circle', body: '{"ipsets": {"ipset:a": ["ipset:b"], "ipset:b": ["ipset:a"]}}' },
      { name: 'a number', body: '1' },
      { name: 'null', body: 'null' },
      { name: 'a comment without an end', body: '/* ' },
      { name: 'rules that are none', body: '{"grants": [1, null, "x", []]}' },
      {
        name: 'an unending indent',
        body: `{"postures": {"posture:x": ${`{"a":\n`.repeat(9000)}1${'}'.repeat(9000)}}}`,
      },
    ]
    for (const { name, body } of rows)
      for (const told of [
        await post(body),
        await world.ask('POST', '/sett/tailnet/-/policy/diff', { server: true, body }),
      ]) {
        assert.equal(told.status, 400, `${name}: ${told.text.slice(0, 200)}`)
        assert.ok(told.body.message.length > 0 && told.body.message.length < 1000, name)
      }
    assert.equal((await get()).text, DEFAULT_POLICY)
    assert.deepEqual(world.errors, [])
  })

  test('that is not UTF-8 is refused', async () => {
    const init = { method: 'POST', body: new Uint8Array([0x7b, 0xff, 0x7d]) }
    const { status } = await world.rest.fetch(new Request(`http://sett.test/api/v2${ACL}`, init), SERVER_IDENTITY)
    assert.equal(status, 400)
  })

  test('of one tailnet is none of another’s', async () => {
    await world.ask('POST', '/tailnet/alpha/acl', { server: true, body: CLOSED })
    const told = await world.ask('GET', '/tailnet/beta/acl', { token: world.beta.tokens.owner })
    assert.equal(told.text, DEFAULT_POLICY)
  })
})

suite('validating', () => {
  test('answers {} when all is well, for any form of policy, and stores nothing', async () => {
    for (const body of [OPEN, CLOSED, '{}', '{"acls": []}']) {
      const told = await validate(body)
      assert.deepEqual([told.status, told.text], [200, '{}'], body)
    }
    assert.equal((await get()).text, DEFAULT_POLICY)
  })

  test('a list runs its tests on the policy in force, and answers nothing at all when they pass', async () => {
    await anna()
    const accepted = '[{"src": "anna@example.com", "accept": ["anna@example.com:22"]}] // a list\n'
    const told = await validate(accepted)
    assert.deepEqual([told.status, told.text], [200, ''])
    // As the older client writes them.
    assert.equal((await validate('[{"user": "anna@example.com", "allow": ["anna@example.com:22"]}]')).text, '')
    await post(CLOSED)
    const refused = await validate(accepted)
    assert.equal(refused.status, 200)
    assert.equal(refused.body.message, 'test(s) failed')
    assert.deepEqual(refused.body.data[0].errors, ['address "anna@example.com:22": want: Accept, got: Drop'])
    assert.equal((await validate('[]')).text, '')
  })

  test('a mistake in a list is placed in the list, and so is a test of it that fails', async () => {
    await anna()
    await post(CLOSED)
    for (const { list, at } of [
      { list: '[1]', at: { line: 1, column: 2 } },
      { list: '[\n  {"src": 1}]', at: { line: 2, column: 11 } },
      { list: '[{"sorce": "a"}]', at: { line: 1, column: 3 } },
    ])
      assert.deepEqual((await validate(list)).body.at, at, list)
    const { data } = (await validate('[\n {"src": "anna@example.com", "accept": ["anna@example.com:22"]}]')).body
    assert.deepEqual(data[0].at, { line: 2, column: 2 })
  })

  test('a list does not run the tests that the policy has', async () => {
    await anna()
    await post(
      '{"grants": [{"src": ["*"], "dst": ["*"], "ip": ["*"]}], "tests": [{"src": "anna@example.com", "accept": ["anna@example.com:22"]}]}',
    )
    const { id } = (await world.get('/tailnet/-/devices')).devices.find(
      (d: { hostname: string }) => d.hostname === 'annas',
    )
    await world.ask('DELETE', `/device/${id}`, { server: true })
    assert.equal((await validate('[]')).text, '')
  })

  test('a group that nobody syncs is a warning; people who are not there yet are not even that', async () => {
    const synced = await validate('{"acls": [{"action": "accept", "src": ["group:dev@example.com"], "dst": ["*:22"]}]}')
    assert.deepEqual(synced.body, {
      message: 'warning(s) found',
      data: [
        {
          user: 'group:dev@example.com',
          warnings: ['group is not syncing from SCIM and will be ignored by rules in the policy file'],
        },
      ],
    })
    assert.equal((await validate('{"groups": {"group:dev": ["nobody@example.com"]}, "acls": []}')).text, '{}')
  })
})

suite('previewing', () => {
  const rules = `{
  "groups": {"group:dev": ["anna@example.com"]},
  "tagOwners": {"tag:office": [], "tag:exit": []},
  "postures": {"posture:new": ["node:os == 'linux'"]},
  "acls": [
    {"action": "accept", "src": ["group:dev"], "dst": ["tag:office:22,80", "10.0.0.0/8:*"]},
    {"action": "accept", "src": ["tag:office"], "dst": ["tag:office:443"]},
    {"action": "accept", "src": ["autogroup:admin"], "dst": ["tag:office:8000-8080"], "proto": "udp"},
  ],
  "grants": [
    {"src": ["*"], "dst": ["autogroup:internet"], "ip": ["*"], "via": ["tag:exit"]},
    {"src": ["anna@example.com"], "dst": ["tag:office"], "ip": ["tcp:5432"], "srcPosture": ["posture:new"]},
    {"src": ["anna@example.com"], "dst": ["tag:office"], "app": {"example.com/cap/x": [{}]}},
  ],
}`
  const preview = async (type: string, previewFor: string) =>
    world.ask('POST', `${ACL}/preview?type=${type}&previewFor=${encodeURIComponent(previewFor)}`, {
      server: true,
      body: rules,
    })
  const lines = (told: Told) => told.body.matches.map(({ lineNumber }: { lineNumber: number }) => lineNumber)

  test('shows the rules that name a user, as they are written, with their lines', async () => {
    await anna()
    const told = await preview('user', 'Anna@example.com')
    assert.deepEqual(told.body, {
      matches: [
        { users: ['*'], ports: ['autogroup:internet:*'], lineNumber: 11, via: ['tag:exit'] },
        { users: ['anna@example.com'], ports: ['tag:office:tcp:5432'], lineNumber: 12, postures: ['posture:new'] },
        { users: ['group:dev'], ports: ['tag:office:22,80', '10.0.0.0/8:*'], lineNumber: 6 },
      ],
      type: 'user',
      previewFor: 'Anna@example.com',
      postures: { 'posture:new': ["node:os == 'linux'"] },
    })
    assert.deepEqual(lines(await preview('user', 'owner')), [11, 8])
  })

  test('shows the rules that lead to an address and port', async () => {
    const { ipv4, ipv6 } = world.alpha.printer
    const rows = [
      { previewFor: `${ipv4}:22`, want: [6] },
      { previewFor: `[${ipv6}]:80`, want: [6] },
      { previewFor: `${ipv4}:443`, want: [7] },
      { previewFor: `${ipv4}:8000`, want: [8] },
      { previewFor: `${ipv4}:5432`, want: [12] },
      { previewFor: `${ipv4}:25`, want: [] },
      { previewFor: '10.1.2.3:25', want: [6] },
      { previewFor: '8.8.8.8:53', want: [11] },
    ]
    for (const { previewFor, want } of rows)
      assert.deepEqual(lines(await preview('ipport', previewFor)), want, previewFor)
  })

  test('refuses what it cannot preview', async () => {
    for (const [type, previewFor] of [
      ['ipport', '100.64.0.1'],
      ['ipport', 'web:22'],
      ['ipport', '100.64.0.1:99999'],
      ['nothing', 'anna'],
      ['user', ''],
    ] as const)
      assert.equal((await preview(type, previewFor)).status, 400, `${type} ${previewFor}`)
    await anna()
    for (const previewFor of ['tag:office', 'group:dev', 'autogroup:admin', 'user:*@example.com']) {
      const { status, body } = await preview('user', previewFor)
      assert.deepEqual([status, body.message], [400, `previewFor: want the login name of a user, not "${previewFor}"`])
    }
    const { status, body } = await preview('user', 'nobody@example.com')
    assert.deepEqual([status, body], [404, { message: 'user not found: "nobody@example.com"' }])
    const broken = await world.ask('POST', `${ACL}/preview?type=user&previewFor=owner`, { server: true, body: '{' })
    assert.equal(broken.status, 400)
  })
})

suite('sequences of official clients', () => {
  const basic = () => ({ authorization: `Basic ${btoa(`${world.alpha.tokens.owner}:`)}` })
  const ask = (method: string, path: string, headers: Headers, body?: string) =>
    world.ask(method, `/tailnet/alpha${path}`, { headers: { ...basic(), ...headers }, body })

  test('Terraform: plan, apply on an untouched policy, refresh, apply again, overwrite protection, destroy', async () => {
    const type = { 'content-type': 'application/hujson', 'user-agent': 'tailscale-client-go' }
    const accept = { accept: 'application/hujson' }
    // plan
    assert.deepEqual((await ask('POST', '/acl/validate', type, OPEN)).body, {})
    assert.match((await ask('POST', '/acl/validate', type, '{"acls": [')).body.message, /^hujson: line 1, column 11: /)
    // create
    assert.equal((await ask('POST', '/acl', { ...type, 'if-match': '"ts-default"' }, OPEN)).status, 200)
    const read = await ask('GET', '/acl', accept)
    // The provider compares laid out texts, so that no drift is seen.
    assert.equal(format(parse(read.text)), format(parse(OPEN)))
    // update
    assert.equal((await ask('POST', '/acl', type, CLOSED)).status, 200)
    assert.equal(format(parse((await ask('GET', '/acl', accept)).text)), format(parse(CLOSED)))
    // another create, which the policy is protected from
    const second = await ask('POST', '/acl', { ...type, 'if-match': '"ts-default"' }, OPEN)
    assert.deepEqual([second.status, second.body], [412, STALE])
    // destroy with reset_acl_on_destroy
    assert.equal((await ask('POST', '/acl', type, '')).status, 200)
    assert.equal((await ask('POST', '/acl', { ...type, 'if-match': '"ts-default"' }, OPEN)).status, 200)
  })

  test('gitops-pusher: test, apply, nothing to do, apply after a change by hand', async () => {
    const type = { 'content-type': 'application/hujson' }
    const control = async () => {
      const told = await ask('GET', '/acl', { accept: 'application/hujson' })
      assert.equal(told.status, 200)
      return (told.headers.get('etag') as string).replaceAll('"', '')
    }
    const before = await control()
    assert.notEqual(before, checksum(OPEN))
    assert.deepEqual((await ask('POST', '/acl/validate', type, OPEN)).body, {})
    const applied = await ask('POST', '/acl', { ...type, 'if-match': `"${before}"` }, OPEN)
    assert.equal(applied.status, 200)
    // The next run sees that there is nothing to do.
    assert.equal(await control(), checksum(OPEN))
    await post(CLOSED)
    const late = await ask('POST', '/acl', { ...type, 'if-match': `"${checksum(OPEN)}"` }, OPEN)
    assert.deepEqual([late.status, late.body], [412, STALE])
    // A failing test comes as the annotation wants it.
    await anna()
    const failed = await ask('POST', '/acl/validate', type, failing)
    assert.deepEqual([failed.body.message, failed.body.data[0].user], ['test(s) failed', 'anna@example.com'])
  })

  test('the Go client: get, raw, set, set and get', async () => {
    const json = await ask('GET', '/acl', { accept: 'application/json' })
    assert.deepEqual(Object.keys(JSON.parse(json.text)), ['grants', 'ssh'])
    assert.equal((await ask('GET', '/acl', { accept: 'application/hujson' })).text, DEFAULT_POLICY)
    const acl = JSON.stringify({ acls: [{ action: 'accept', src: ['*'], dst: ['*:*'] }] })
    const type = { 'content-type': 'application/json' }
    assert.equal((await ask('POST', '/acl', type, acl)).status, 200)
    const both = await ask('POST', '/acl', { ...type, accept: 'application/json' }, acl)
    assert.deepEqual([JSON.parse(both.text), both.headers.get('etag')], [JSON.parse(acl), `"${checksum(acl)}"`])
  })

  test('the older Go client: details, and a preview of a user and of an address', async () => {
    const told = await ask('GET', '/acl?details=1', { accept: 'application/hujson' })
    assert.deepEqual(Object.keys(told.body), ['acl', 'warnings', 'errors'])
    for (const query of ['type=user&previewFor=owner', 'type=ipport&previewFor=100.64.0.1%3A22'])
      assert.equal((await ask('POST', `/acl/preview?${query}`, {}, OPEN)).body.matches.length, 1)
  })
})
