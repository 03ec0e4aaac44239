import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '../../base/bytes.ts'
import { FakeBackend } from '../../../test/support/fake-backend.ts'
import type { LocalAnswer } from './exchange.ts'
import { answerLocal } from './local-api.ts'
import { mayDo, NO_RIGHTS, rightsOf } from './rights.ts'
import type { Rights } from './rights.ts'
import { ROUTES, SERVE_CONFIG } from './routes.ts'

const OWNERS = { ownUid: 500, operatorUid: 1000, certUid: 33 }
const random = (length: number) => new Uint8Array(length).fill(7)

interface Asked {
  readonly method?: string
  readonly path: string
  readonly query?: { readonly [name: string]: string }
  readonly body?: string
  readonly headers?: { readonly [name: string]: string }
}

async function ask(
  rights: Rights,
  asked: Asked,
  backend = new FakeBackend(),
): Promise<LocalAnswer & { done: string[] }> {
  const headers: Readonly<Record<string, string>> = { host: 'local-tailscaled.sock', ...asked.headers }
  const request = {
    method: asked.method ?? 'GET',
    path: asked.path.startsWith('/') ? asked.path : `/localapi/v0/${asked.path}`,
    query: new Map(Object.entries(asked.query ?? {})),
    header: (name: string) => headers[name],
    body: utf8(asked.body ?? ''),
    signal: { aborted: false, addEventListener: () => {} },
  }
  const answer = await answerLocal({ backend, random }, request, rights)
  return { ...answer, done: backend.done }
}
const statusOf = (answer: LocalAnswer) => (answer.kind === 'whole' ? answer.status : 200)
const bodyOf = (answer: LocalAnswer) => (answer.kind === 'whole' ? answer.body : '')

test('root, the daemon’s own user and the operator may write; others may look; whom the kernel does not name, nothing', () => {
  const rows: readonly (readonly [string, number | undefined, string])[] = [
    ['root', 0, 'read write cert'],
    ['own user', 500, 'read write cert'],
    ['operator', 1000, 'read write cert'],
    ['user for certificates', 33, 'read cert'],
    ['anybody', 1001, 'read'],
    ['nobody', 65_534, 'read'],
    ['not named', undefined, ''],
  ]
  for (const [name, uid, want] of rows) {
    const rights = rightsOf(uid, OWNERS)
    const has = (['read', 'write', 'cert'] as const).filter((right) => rights[right])
    assert.equal(has.join(' '), want, name)
  }
  assert.ok(!rightsOf(1000, { ownUid: 0 }).write, 'no operator, no operator’s rights')
  assert.ok(!mayDo(NO_RIGHTS, 'nothing'))
})

/** From node.md §9, written down anew. `W`: root and operator; `C`: certificates; `R`: whoever may connect. */
const TABLE: Readonly<Record<string, string>> = {
  R:
    'status whois watch-ipn-bus derpmap dns-config cert-domains peer-by-id user-profile usermetrics tka/status ' +
    'check-ip-forwarding check-udp-gro-forwarding check-so-mark-in-use suggest-exit-node appc-route-info update/check ' +
    'bugreport ping prefs services query-feature drive/shares upload-client-metrics',
  W:
    'check-prefs start login-interactive logout reset-auth profiles/ set-use-exit-node-enabled set-expiry-sooner ' +
    'dns-osconfig dns-query set-udp-gro-forwarding files/ file-targets file-put/ set-dns id-token dial tka/ metrics ' +
    'logtap debug component-debug-logging reload-config disconnect-control shutdown goroutines pprof update/install ' +
    'update/progress debug-capture debug-portmap debug-derp-region dev-set-state-store drive/fileserver-address policy/ ' +
    'alpha-set-device-attrs set-push-device-token set-gui-visible',
  C: 'cert/',
}

test('advisory 9: each endpoint asks for its right, and whoever lacks it changes nothing', async () => {
  const want = new Map(Object.entries(TABLE).flatMap(([need, paths]) => paths.split(' ').map((path) => [path, need])))
  assert.deepEqual(ROUTES.map(({ path }) => path).sort(), [...want.keys()].sort(), 'every endpoint has its line')
  const stranger = rightsOf(1001, OWNERS)
  const certUser = rightsOf(33, OWNERS)
  for (const { path, methods } of ROUTES)
    for (const method of methods === 'any' ? ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] : methods)
      for (const suffix of path.endsWith('/') ? ['', 'e500', 'current', '../status'] : ['']) {
        const asked = { method, path: path + suffix, body: '{"WantRunning":false,"WantRunningSet":true}' }
        const what = `${method} ${asked.path}`
        const nobody = await ask(NO_RIGHTS, asked)
        assert.deepEqual([statusOf(nobody), bodyOf(nobody), nobody.done], [403, 'access denied\n', []], what)
        const answer = await ask(stranger, asked)
        const changes = answer.done.filter((done) => !/^(ping|bug)/.test(done))
        assert.deepEqual(changes, [], what)
        const isRead = want.get(path) === 'R' && (path !== 'prefs' || method === 'GET')
        assert.equal(statusOf(answer) === 403 && /access denied/.test(bodyOf(answer)), !isRead, what)
        const cert = await ask(certUser, asked)
        const mayCert = isRead || want.get(path) === 'C'
        assert.equal(statusOf(cert) === 403 && /access denied/.test(bodyOf(cert)), !mayCert, what)
      }
  for (const { methods, needs } of SERVE_CONFIG) {
    const answer = await ask(stranger, { method: methods[0] as string, path: 'serve-config', body: '{}' })
    assert.equal(statusOf(answer), needs === 'write' ? 403 : 200)
  }
})

test('who may write does what was asked, by the method that it takes and by no other', async () => {
  const root = rightsOf(0, OWNERS)
  const rows: readonly (readonly [Asked, number, readonly string[]])[] = [
    [{ method: 'POST', path: 'login-interactive' }, 204, ['login']],
    [{ method: 'GET', path: 'login-interactive' }, 400, []],
    [{ method: 'POST', path: 'logout' }, 204, ['logout']],
    [{ method: 'GET', path: 'logout' }, 400, []],
    [{ method: 'POST', path: 'reset-auth' }, 204, ['reset-auth']],
    [{ method: 'POST', path: 'start', body: '{}' }, 204, ['start']],
    [{ method: 'POST', path: 'start', body: '{"UpdatePrefs":{"RunSSH":true}}' }, 400, []],
    [{ method: 'POST', path: 'start', body: '{"UpdatePrefs":[]}' }, 400, []],
    [{ method: 'POST', path: 'start', body: '{"AuthKey":7}' }, 400, []],
    [{ method: 'PATCH', path: 'prefs', body: '{"ShieldsUp":true,"ShieldsUpSet":true}' }, 200, ['prefs ShieldsUp']],
    [{ method: 'PATCH', path: 'prefs', body: '{"InternalExitNodePriorSet":true}' }, 400, []],
    [{ method: 'PUT', path: 'prefs', body: '{}' }, 405, []],
    [{ method: 'PUT', path: 'profiles/' }, 201, ['new profile']],
    [{ method: 'POST', path: 'profiles/e500' }, 204, ['switch e500']],
    [{ method: 'DELETE', path: 'profiles/e500' }, 204, ['delete e500']],
    [{ method: 'POST', path: 'profiles/nope' }, 404, []],
    [{ method: 'DELETE', path: 'profiles/current' }, 405, []],
    [{ method: 'POST', path: 'set-expiry-sooner', body: 'expiry=1790000000' }, 200, ['expiry 1790000000']],
    [{ method: 'POST', path: 'set-expiry-sooner', body: 'expiry=tomorrow' }, 400, []],
    [{ method: 'POST', path: 'debug', query: { action: 'restun' } }, 200, ['debug restun']],
    [{ method: 'POST', path: 'debug', query: { action: 'panic' } }, 400, []],
    [
      { method: 'POST', path: 'component-debug-logging', query: { component: 'magicsock', secs: '60' } },
      200,
      ['log magicsock 60'],
    ],
    [{ method: 'POST', path: 'ping', query: { ip: '100.64.0.2', type: 'disco' } }, 200, ['ping 100.64.0.2 disco 0']],
    [{ method: 'POST', path: 'ping', query: { ip: '100.64.0.2', type: 'disco', size: '99999' } }, 400, []],
    [{ method: 'POST', path: 'ping', query: { ip: '100.64.0.2', type: 'TSMP', size: '9' } }, 400, []],
    [{ method: 'POST', path: 'ping', query: { ip: 'beta', type: 'disco' } }, 400, []],
    [{ method: 'POST', path: 'shutdown' }, 200, ['shutdown']],
    [{ method: 'GET', path: 'shutdown' }, 400, []],
  ]
  for (const [asked, status, done] of rows) {
    const answer = await ask(root, asked)
    assert.deepEqual(
      [statusOf(answer), answer.done],
      [status, done],
      `${asked.method} ${asked.path} ${asked.body ?? ''}`,
    )
  }
})

test('an auth key goes to the backend as a secret, and into no answer', async () => {
  const backend = new FakeBackend()
  await ask(rightsOf(0, OWNERS), { method: 'POST', path: 'start', body: '{"AuthKey":"tskey-auth-x"}' }, backend)
  assert.equal(backend.started?.authKey?.reveal(), 'tskey-auth-x')
  assert.ok(!JSON.stringify(backend.started).includes('tskey'))
  const malformed = await ask(rightsOf(0, OWNERS), { method: 'POST', path: 'start', body: '{"AuthKey":"tskey-auth-x"' })
  assert.ok(statusOf(malformed) === 400 && !bodyOf(malformed).includes('tskey'))
})

test('the exit node is put aside and taken up again', async () => {
  const backend = new FakeBackend()
  backend.now = { ...backend.now, ExitNodeID: 'n5' }
  const root = rightsOf(0, OWNERS)
  const use = (enabled: string) =>
    ask(root, { method: 'POST', path: 'set-use-exit-node-enabled', query: { enabled } }, backend)
  await use('false')
  assert.deepEqual([backend.now.ExitNodeID, backend.now.InternalExitNodePrior], ['', 'n5'])
  await use('true')
  assert.deepEqual([backend.now.ExitNodeID, backend.now.InternalExitNodePrior], ['n5', ''])
  assert.equal(statusOf(await use('perhaps')), 400)
})

test('advisory 8: whatever a web page may have caused is turned away, before it is looked at', async () => {
  const root = rightsOf(0, OWNERS)
  const rows: readonly (readonly [string, { readonly [name: string]: string }, number])[] = [
    ['a program', {}, 204],
    ['HTTP/1.0 without a host', { host: '' }, 204],
    ['another name', { host: 'evil.example' }, 403],
    ['another name, rebound', { host: 'evil.example:41112' }, 403],
    ['loopback', { host: '127.0.0.1' }, 403],
    ['localhost', { host: 'localhost' }, 403],
    ['our name under another', { host: 'local-tailscaled.sock.evil.example' }, 403],
    ['our name with a port', { host: 'local-tailscaled.sock:80' }, 403],
    ['from a page', { origin: 'https://evil.example' }, 403],
    ['from a page without a name', { origin: 'null' }, 403],
    ['from a page that says nothing', { origin: '' }, 403],
    ['by a link', { referer: 'https://evil.example/' }, 403],
  ]
  for (const [name, headers, want] of rows) {
    const answer = await ask(root, { method: 'POST', path: 'logout', headers })
    assert.deepEqual([statusOf(answer), answer.done.length], [want, want === 204 ? 1 : 0], name)
    if (want === 403) assert.equal(bodyOf(answer), 'invalid localapi request\n', name)
    for (const path of ['/', 'status', '/localapi/v1/status'])
      if (want === 403) assert.equal(statusOf(await ask(root, { path, headers })), 403, `${name} ${path}`)
  }
})

test('paths lead to endpoints by whole names, and nowhere else', async () => {
  const root = rightsOf(0, OWNERS)
  const paths = [
    'status/',
    'statu',
    '../v0/status',
    'STATUS',
    '%73tatus',
    'prefs/x',
    '',
    'profile',
    '__proto__',
    'constructor',
  ]
  for (const path of [...paths, '/localapi/v0', '/status', '//localapi/v0/status', 'localapi/v0/status'])
    assert.equal(statusOf(await ask(root, { path })), 404, path)
})
