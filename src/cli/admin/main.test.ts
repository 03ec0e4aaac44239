/** `sett admin` from end to end: command lines against the REST API behind a real Unix socket. */

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { AdminWorld, run } from '../../../test/support/admin-world.ts'
import type { RestWorld } from '../../../test/support/rest-world.ts'

suite('sett admin', () => {
  let at: AdminWorld
  let [dir, socket, url] = ['', '', '']
  let world: RestWorld
  before(async () => {
    at = await AdminWorld.make()
    ;({ dir, socket, url, world } = at)
  })
  after(() => at.close())
  const admin = (...args: string[]) => at.admin(...args)
  const adminJson = (...args: string[]) => at.adminJson(...args)

  test('a key is printed alone on its line, or whole as JSON', async () => {
    assert.match(await admin('keys', 'create'), /^tskey-auth-k\w+CNTRL-\w+\n$/)
    const flags = ['--reusable', '--ephemeral', '--preauthorized', '--tags', 'tag:a,tag:b', '--expiry', '1h']
    const key = await adminJson('keys', 'create', ...flags, '--description', 'for tests')
    assert.match(key.key, /^tskey-auth-/)
    assert.deepEqual(key.capabilities.devices.create, {
      reusable: true,
      ephemeral: true,
      preauthorized: true,
      tags: ['tag:a', 'tag:b'],
    })
    assert.deepEqual([key.expirySeconds, key.description, key.creator], [3600, 'for tests', ''])
  })

  test('keys are listed with their state, and revoked', async () => {
    const { id } = await adminJson('keys', 'create', '--description', 'doomed')
    assert.match(await admin('keys', 'list'), new RegExp(`${id} .* owner .* valid .* doomed`))
    assert.match(await admin('keys', 'revoke', id), /^Revoked/)
    assert.match(await admin('keys', 'revoke', id), /was revoked already, at 2026-.*; nothing was changed/)
    assert.match(await admin('keys', 'list'), new RegExp(`${id} .* revoked .* doomed`))
    const { keys } = await adminJson('keys', 'list')
    assert.ok(keys.every((key: { keyType: string }) => key.keyType === 'auth'))
  })

  test('a token made over the socket works over the network, within its scopes', async () => {
    const token = (await admin('tokens', 'create', '--scopes', 'devices:core:read', '--expiry', '30d')).trim()
    assert.match(token, /^tskey-api-/)
    const file = join(dir, 'token')
    writeFileSync(file, `${token}\n`)
    for (const given of [
      { args: ['--token', token] },
      { args: ['--token', `file:${file}`] },
      { env: { SETT_TOKEN: token } },
    ]) {
      const { code, out } = await run(['--url', url, ...(given.args ?? []), 'nodes', 'list'], given.env)
      assert.equal(code, 0)
      assert.match(out, /laptop/)
    }
    const refused = await run(['--url', url, 'nodes', 'delete', 'laptop'], { SETT_TOKEN: token })
    assert.deepEqual([refused.code, /devices:core \(write\)/.test(refused.err)], [1, true])
    const id = token.split('-')[2] as string
    assert.match(await admin('tokens', 'list'), new RegExp(`${id} +devices:core:read +server`))
    await admin('tokens', 'revoke', id)
    const gone = await run(['--url', url, 'nodes', 'list'], { SETT_TOKEN: token })
    assert.deepEqual([gone.code, gone.err], [1, 'sett admin: API token invalid\n'])
  })

  test('nodes are found by id, either name and address', async () => {
    const { laptop } = world.alpha
    for (const name of [
      laptop.stableId,
      String(laptop.id),
      'laptop',
      'Laptop.alpha.sett.internal.',
      laptop.ipv4,
      laptop.ipv6,
    ])
      assert.equal((await adminJson('nodes', 'show', name)).nodeId, laptop.stableId, name)
    assert.match(
      await admin('nodes', 'show', 'laptop'),
      new RegExp(`^Name: +laptop\\.alpha\\.sett\\.internal\nId: +${laptop.stableId}`),
    )
    const none = await run(['--socket', socket, 'nodes', 'show', 'nobody'])
    assert.deepEqual([none.code, /No node "nobody"/.test(none.err)], [1, true])
  })

  test('every verb of nodes does what it says', async () => {
    const device = async () => adminJson('nodes', 'show', world.alpha.laptop.stableId)
    const rows = [
      { args: ['rename', 'laptop', 'desk'], says: /desk\.alpha/, after: { name: 'desk.alpha.sett.internal' } },
      { args: ['tag', 'desk', 'tag:x,tag:y'], says: /tag:x, tag:y/, after: { tags: ['tag:x', 'tag:y'] } },
      { args: ['tag', 'desk', 'none'], says: /no tags/, after: { tags: undefined } },
      { args: ['approve', 'desk', '--withdraw'], says: /not approved/, after: { authorized: false } },
      { args: ['approve', 'desk'], says: /approved/, after: { authorized: true } },
      {
        args: ['routes', 'desk'],
        says: /10\.0\.0\.0\/8 +yes +no\nNot approved: .*autoApprovers/,
        after: { enabledRoutes: [] },
      },
      {
        args: ['routes', 'desk', '--approve', '10.0.0.0/8,192.0.2.0/24'],
        says: /192\.0\.2\.0\/24 +no +yes/,
        after: { enabledRoutes: ['10.0.0.0/8', '192.0.2.0/24'] },
      },
      {
        args: ['routes', 'desk', '--remove', '10.0.0.0/8'],
        says: /yes +no/,
        after: { enabledRoutes: ['192.0.2.0/24'] },
      },
      { args: ['expire', 'desk', '--never'], says: /never/, after: { keyExpiryDisabled: true } },
      { args: ['expire', 'desk', '--again'], says: /2026-07-01/, after: { keyExpiryDisabled: false } },
      { args: ['expire', 'desk'], says: /2026-01-02 03:04/, after: { expires: '2026-01-02T03:04:05Z' } },
      {
        args: ['ip', 'desk', '100.70.1.2'],
        says: /100\.70\.1\.2/,
        after: { addresses: ['100.70.1.2', 'fd7a:115c:a1e0::46:102'] },
      },
      { args: ['rename', 'desk', ''], says: /laptop\.alpha/, after: { name: 'laptop.alpha.sett.internal' } },
    ]
    for (const { args, says, after } of rows) {
      assert.match(await admin('nodes', ...args), says, args.join(' '))
      const shown = await device()
      for (const [member, want] of Object.entries(after)) assert.deepEqual(shown[member], want, args.join(' '))
    }
    assert.match(await admin('nodes', 'addresses'), /100\.70\.1\.2 +laptop/)
    assert.match(await admin('nodes', 'delete', 'printer'), /Deleted printer/)
    assert.ok(!(await admin('nodes', 'list')).includes('printer'))
    assert.match(await admin('nodes', 'addresses', world.alpha.printer.ipv4), /printer +n\w+CNTRL \(deleted\)/)
  })

  test('attributes are shown, set with their types and expiries, and deleted', async () => {
    const attributes = (...args: string[]) => at.admin('nodes', 'attributes', 'laptop', ...args)
    const rows = [
      { args: ['set', 'custom:tier', '2'], says: /custom:tier +2 +never/, value: 2 },
      { args: ['set', 'custom:tier', '2', '--type', 'string'], says: /custom:tier +2 +never/, value: '2' },
      { args: ['set', 'custom:tier', 'true'], says: /custom:tier +true/, value: true },
      { args: ['set', 'custom:tier', 'a b', '--expiry', '1h'], says: /custom:tier +a b +2026-01-\d\d/, value: 'a b' },
    ]
    for (const { args, says, value } of rows) {
      assert.match(await attributes(...args), says)
      assert.equal((await adminJson('nodes', 'attributes', 'laptop')).attributes['custom:tier'], value)
    }
    assert.match(await admin('nodes', 'show', 'laptop'), /Attributes: .*custom:tier=a b \(until 2026/)
    assert.doesNotMatch(await attributes('delete', 'custom:tier'), /custom:tier/)
    for (const args of [
      ['set'],
      ['set', 'custom:x'],
      ['set', 'custom:x', 'y', '--type', 'number'],
      ['set', 'custom:x', '1', '--type', 'bool'],
      ['set', 'custom:x', '1', '--expiry', 'soon'],
      ['delete'],
      ['delete', 'custom:x', '1'],
      ['delete', 'custom:x', '--expiry', '1h'],
      ['change', 'custom:x', '1'],
    ])
      assert.equal((await run(['--socket', socket, 'nodes', 'attributes', 'laptop', ...args])).code, 2, args.join(' '))
    assert.equal((await run(['--socket', socket, 'nodes', 'attributes', 'laptop', 'set', 'node:os', 'x'])).code, 1)
  })

  test('users are added, given roles, suspended, restored and deleted by name', async () => {
    assert.match(
      await admin('users', 'create', 'anna@example.com', '--display-name', 'Anna'),
      /Created anna@example.com, member/,
    )
    assert.match(await admin('users', 'role', 'ANNA@example.com', 'auditor'), /is now auditor/)
    assert.match(await admin('users', 'suspend', 'anna@example.com'), /is suspended/)
    assert.match(await admin('users', 'restore', 'anna@example.com'), /is active/)
    assert.match(await admin('users', 'approve', 'anna@example.com'), /is active/)
    assert.match(await admin('users', 'list'), /anna@example.com +Anna +auditor +active/)
    const again = await run(['--socket', socket, 'users', 'create', 'anna@example.com'])
    assert.deepEqual([again.code, /exists already/.test(again.err)], [1, true])
    assert.match(await admin('users', 'delete', 'anna@example.com'), /Deleted/)
    assert.equal((await run(['--socket', socket, 'users', 'delete', 'anna@example.com'])).code, 1)
  })

  test('tailnets are added, chosen by name, and have their settings', async () => {
    assert.match(await admin('tailnets', 'create', 'gamma'), /Created gamma \(gamma\.sett\.internal\)/)
    assert.match(await admin('tailnets', 'list'), /gamma +gamma\.sett\.internal +0 +0 +0/)
    assert.match(await admin('--tailnet', 'gamma', 'nodes', 'list'), /No devices yet/)
    assert.equal((await adminJson('nodes', 'list', '--tailnet', 'beta')).devices.length, 2)
    assert.match(
      await admin('tailnets', 'settings', 'devicesApprovalOn=true', 'devicesKeyDurationDays=7'),
      /devicesKeyDurationDays: +7/,
    )
    assert.equal((await adminJson('tailnets', 'settings')).devicesApprovalOn, true)
    for (const change of ['nosuch=1', 'devicesApprovalOn', '__proto__=1'])
      assert.equal((await run(['--socket', socket, 'tailnets', 'settings', change])).code, 2, change)
    assert.match(await admin('status'), /Server: +https:\/\/sett\.test[^]*alpha/)
  })

  test('logins: none wait, and a code that nobody has is refused', async () => {
    assert.match(await admin('login', 'list'), /Nobody waits/)
    for (const args of [
      ['approve', 'AAAA1111', '--user', 'member'],
      ['refuse', 'AAAA1111', '--reason', 'no'],
    ])
      assert.equal((await run(['--socket', socket, 'login', ...args])).code, 1)
  })

  test('a name that would move the cursor does not', async () => {
    await world.join(1, Number(world.alpha.userIds.owner), 'evil', {
      hostinfo: { Hostname: 'e\u001b[2Jvil\u202e', OS: '\u009b31m' },
    })
    const out = (await admin('nodes', 'list')) + (await admin('nodes', 'show', 'evil'))
    // oxlint-disable-next-line no-control-regex
    assert.doesNotMatch(out, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/)
  })

  test('a setting of the wrong kind is 2, with its name, the value and what is accepted', async () => {
    const before = await adminJson('tailnets', 'settings')
    const rows = [
      { change: 'devicesApprovalOn=yes', says: 'Cannot set devicesApprovalOn to "yes": want true or false' },
      { change: 'httpsEnabled=', says: 'Cannot set httpsEnabled to "": want true or false' },
      ...['seven', '0', '181', '7.5', '', 'true'].map((text) => ({
        change: `devicesKeyDurationDays=${text}`,
        says: `Cannot set devicesKeyDurationDays to "${text}": want a whole number from 1 to 180`,
      })),
      {
        change: 'usersRoleAllowedToJoinExternalTailnets=owner',
        says: 'Cannot set usersRoleAllowedToJoinExternalTailnets to "owner": want none, admin or member',
      },
      {
        change: `aclsExternalLink=${'x'.repeat(2049)}`,
        says: `Cannot set aclsExternalLink to "${'x'.repeat(2049)}": want one line of text, at most 2048 characters`,
      },
    ]
    for (const { change, says } of rows)
      assert.deepEqual(
        await at.ran('tailnets', 'settings', 'usersApprovalOn=true', change),
        { code: 2, out: '', err: `sett admin: ${says}\n` },
        change,
      )
    assert.deepEqual(await adminJson('tailnets', 'settings'), before, 'nothing of it was done')
    const { code, err } = await at.ran('tailnets', 'settings', 'nosuch=1')
    assert.deepEqual([code, /"nosuch=1": want NAME=VALUE, with a name among .*devicesApprovalOn/.test(err)], [2, true])
  })

  test('every setting takes what it is shown with, a text of digits as well', async () => {
    const shown = await adminJson('tailnets', 'settings')
    const same = Object.entries(shown).map(([name, value]) => `${name}=${String(value)}`)
    assert.deepEqual(await adminJson('tailnets', 'settings', ...same), shown)
    for (const aclsExternalLink of ['123', 'true', ''])
      assert.equal(
        (await adminJson('tailnets', 'settings', `aclsExternalLink=${aclsExternalLink}`)).aclsExternalLink,
        aclsExternalLink,
      )
  })

  test('a key for a user and tags says on standard error whose the devices will be', async () => {
    const flags = ['keys', 'create', '--user', 'member', '--tags', 'tag:x,tag:y']
    const { code, out, err } = await at.ran(...flags)
    assert.equal(code, 0)
    assert.match(out, /^tskey-auth-k\w+CNTRL-\w+\n$/)
    assert.equal(err, 'Note: devices that join by this key belong to their tags (tag:x, tag:y), not to member.\n')
    const json = await at.ran(...flags, '--json')
    assert.equal(JSON.parse(json.out).creator, 'member')
    assert.equal(json.err, err)
  })

  test('a list of routes with nothing in it is refused, with what is approved now', async () => {
    const { laptop } = world.alpha
    await admin('nodes', 'routes', laptop.stableId, '--approve', '192.0.2.0/24')
    const before = (await adminJson('nodes', 'routes', laptop.stableId)).enabledRoutes
    for (const [flag, hint] of [
      ['--approve', /\. Want routes such as \S+; --remove \S*192\.0\.2\.0\/24 takes all away\n$/],
      ['--remove', /\. Want routes such as 192\.168\.1\.0\/24\n$/],
    ] as const) {
      const { code, out, err } = await at.ran('nodes', 'routes', laptop.stableId, flag, '')
      assert.deepEqual([code, out], [2, ''])
      assert.ok(err.startsWith(`sett admin: ${flag} names no route, so nothing was changed; of laptop.alpha`), err)
      assert.match(err, /approved are .*192\.0\.2\.0\/24/)
      assert.match(err, hint)
    }
    assert.deepEqual((await adminJson('nodes', 'routes', laptop.stableId)).enabledRoutes, before)
    const none = await at.ran('nodes', 'routes', (await adminJson('nodes', 'show', 'evil')).nodeId, '--approve', ' , ')
    assert.match(none.err, /none is approved\. Want routes such as 192\.168\.1\.0\/24\n$/)
  })

  test('a command line that is wrong is 2, with what is wanted', async () => {
    const rows = [
      { args: ['keys', 'create', '--expiry', '1y'], says: /30m, 12h or 90d/ },
      {
        args: ['keys', 'create', '--expiry', '91d'],
        says: /--expiry <TIME>' argument '91d' is invalid\. Want at most 90d/,
      },
      { args: ['keys', 'create', '--expiry', '90d1s'], says: /Want at most 90d/ },
      { args: ['tokens', 'create', '--expiry', '13w'], says: /'13w' is invalid\. Want at most 90d/ },
      { args: ['keys', 'create', '--tags', 'web,tag:db'], says: /Every tag begins with "tag:"; want tag:web,tag:db/ },
      { args: ['keys', 'create', '--tags', 'tag:1'], says: /"tag:1" is no tag: want "tag:", a letter/ },
      { args: ['keys', 'create', '--tags', ''], says: /Want tags such as tag:a,tag:b\./ },
      { args: ['nodes', 'tag', 'laptop', 'web'], says: /'web' is invalid for argument 'TAGS'\. .*want tag:web/ },
      { args: ['nodes', 'tag', 'laptop', ''], says: /tag:a,tag:b, or none/ },
      { args: ['keys', 'create', '--nosuch'], says: /--nosuch/ },
      { args: ['users', 'role', 'member', 'king'], says: /king/ },
      { args: ['login', 'approve', 'AAAA1111'], says: /--user/ },
      { args: ['nodes', 'rename', 'laptop'], says: /NAME/ },
      { args: ['nodes', 'dance'], says: /dance/ },
      { args: ['--url', url, 'status'], says: /SETT_TOKEN/ },
      {
        args: ['--url', 'http://192.0.2.1:8080', '--token', 't', 'status'],
        says: /--url http:\/\/192\.0\.2\.1:8080: .*on loopback only.*socket.*http:\/\/127\.0\.0\.1:8080;.*--tls.*trusted proxy/,
      },
      { args: ['--url', 'nowhere', '--token', 't', 'status'], says: /https:\/\/sett\.example\.com/ },
      { args: ['--url', url, '--token', 'file:/nonexistent/token', 'status'], says: /nonexistent/ },
      { args: ['--socket', socket, '--url', url, 'status'], says: /not both/ },
      { args: ['--socket', socket, '--token', 't', 'status'], says: /--url/ },
    ]
    for (const { args, says } of rows) {
      const { code, err } = await run(args)
      assert.equal(code, 2, args.join(' '))
      assert.match(err, says)
    }
    assert.equal((await run(['--help'])).code, 0)
  })

  test('a server that cannot be reached is 3, with what to do', async () => {
    const rows = [
      { args: ['--socket', join(dir, 'none.sock'), 'status'], env: {}, says: /sett coord/ },
      { args: ['status'], env: { SETT_SOCKET: join(dir, 'none.sock') }, says: /none\.sock/ },
      { args: ['status'], env: { SETT_DATA: join(dir, 'data') }, says: /data\/admin\.sock/ },
      {
        args: ['--url', 'http://127.0.0.1:1', 'status'],
        env: { SETT_TOKEN: 'tskey-api-k-s' },
        says: /at http:\/\/127\.0\.0\.1:1: HTTP clients do not use port 1/,
      },
      {
        args: ['--url', url.replace('http:', 'https:'), 'status'],
        env: { SETT_TOKEN: 'tskey-api-k-s' },
        says: /: it does not speak TLS; use http:\/\/127\.0\.0\.1:\d+\n$/,
      },
    ]
    for (const { args, env, says } of rows) {
      const { code, err } = await run(args, env as Record<string, string>)
      assert.equal(code, 3, args.join(' '))
      assert.match(err, says)
      assert.doesNotMatch(err, /tskey-api-k-s/)
    }
    assert.equal((await run(['status'], { SETT_SOCKET: socket })).code, 0)
    assert.equal((await run(['status'], { SETT_DATA: dir })).code, 0)
  })
})
