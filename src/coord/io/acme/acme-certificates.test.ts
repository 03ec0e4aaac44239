/**
 * The certificate that the server obtains itself, with real TLS on loopback: against an authority in memory that looks
 * for its proofs where a real one does, at our own listeners.
 */

import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { connect } from 'node:tls'
import { FakeAcme, listenAsAcme } from '../../../../test/support/fake-acme.ts'
import type { FakeRules } from '../../../../test/support/fake-acme.ts'
import { DAY_MS, HOUR_MS, later } from '../../../base/clock.ts'
import type { Wall } from '../../../base/clock.ts'
import { makeSelfSigned } from '../../../crypto/io/self-signed.ts'
import type { ChallengeType } from '../../acme/obtain.ts'
import { mono } from '../clocks.ts'
import { TrustedProxies } from '../http/forwarded.ts'
import { openListeners } from '../http/listeners.ts'
import { createPlainPort } from '../http/plain-port.ts'
import type { Log } from '../log.ts'
import { AcmeCertificates } from './acme-certificates.ts'
import { keep, readKept } from './kept-certificate.ts'

const NAME = 'sett.test'
const acme = new FakeAcme()
const ca = await listenAsAcme(acme)
after(() => ca.close())

interface World {
  readonly folder: string
  readonly certificates: AcmeCertificates
  readonly logged: readonly string[]
  /** Ports of the TLS listener and of the one in clear text. */
  readonly tls: number
  readonly plain: number
  /** What the authority sees. */
  readonly look: NonNullable<FakeRules['look']>
  /** Resolves with the next line of the log that begins so. */
  says(event: string): Promise<string>
  /** Lets time pass for whoever waits to ask again. */
  skip(ms: number): void
  close(): Promise<void>
}

interface WorldOptions {
  readonly folder?: string
  readonly challenges?: readonly ChallengeType[]
  /** Added to the calendar. */
  readonly ahead?: number
}

async function open({
  folder = makeFolder(),
  challenges = ['http-01', 'tls-alpn-01'],
  ahead = 0,
}: WorldOptions = {}): Promise<World> {
  const logged: string[] = []
  const waiting = new Set<() => void>()
  const note = (event: string, fields?: object): void => {
    logged.push(`${event} ${JSON.stringify(fields)}`)
    for (const look of waiting) look()
  }
  const log: Log = { trace: note, debug: note, info: note, warn: note, error: note }
  const wall = () => (Date.now() + ahead) as Wall
  let skipped = 0
  const certificates = new AcmeCertificates({
    folder,
    directory: acme.directory,
    name: NAME,
    email: undefined,
    externalAccount: undefined,
    challenges,
    log,
    clocks: { mono: () => later(mono(), skipped), wall },
    dice: (length) => new Uint8Array(length),
    agent: 'sett/test',
    ca: ca.ca,
  })
  const shared = {
    listen: [{ host: '127.0.0.1', port: 0 }],
    proxies: new TrustedProxies([]),
    wantsUpgrade: () => false,
    upgrade: () => undefined,
  }
  const secure = await openListeners({ ...shared, tls: certificates, handle: (_, res) => void res.end('hello') })
  const port = createPlainPort({
    url: () => `https://${NAME}`,
    proof: (token) => certificates.answer(token),
    missing: () => (certificates.state.until === undefined ? 'there is no certificate yet' : undefined),
    upgradeFault: () => 'no upgrade',
  })
  const clear = await openListeners({ ...shared, option: '--http-listen', tls: 'off', handle: port })
  const [tls, plain] = [secure, clear].map((each) => (each.addresses[0] as AddressInfo).port) as [number, number]
  return {
    folder,
    certificates,
    logged,
    tls,
    plain,
    look: async (type, name, token) => {
      if (type === 'tls-alpn-01') return await proofInHandshake(tls, name, token)
      const answer = await fetch(`http://127.0.0.1:${plain}/.well-known/acme-challenge/${token}`)
      return answer.status === 200 ? await answer.text() : undefined
    },
    async says(event) {
      for (;;) {
        const found = logged.findIndex((line) => line.startsWith(event))
        if (found >= 0) return logged.splice(found, 1)[0] as string
        await new Promise<void>((resolve) => waiting.add(resolve))
        waiting.clear()
      }
    },
    skip(ms) {
      skipped += ms
      certificates.start()
    },
    async close() {
      certificates.close()
      await certificates.idle()
      await Promise.all([secure.close(), clear.close()])
    },
  }
}

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sett-acme-'))
  after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function opened(t: TestContext, options?: WorldOptions): Promise<World> {
  const world = await open(options)
  t.after(() => world.close())
  return world
}

interface Handshake {
  readonly certificate: X509Certificate
  readonly alpn: string | false | null
}

/** One handshake and its end; rejects with the alert. */
function shake(port: number, protocols: readonly string[], name = NAME): Promise<Handshake> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      port,
      host: '127.0.0.1',
      servername: name,
      ALPNProtocols: [...protocols],
      rejectUnauthorized: false,
    })
    socket.once('error', reject)
    socket.once('secureConnect', () => {
      const certificate = socket.getPeerX509Certificate()
      socket.destroy()
      if (certificate === undefined) reject(new Error('no certificate'))
      else resolve({ certificate, alpn: socket.alpnProtocol })
    })
  })
}

/** What a CA reads out of the certificate that is shown for `acme-tls/1`: right or not, as the key authorization. */
async function proofInHandshake(port: number, name: string, token: string): Promise<string | undefined> {
  const { certificate, alpn } = await shake(port, ['acme-tls/1'], name)
  assert.equal(alpn, 'acme-tls/1')
  assert.equal(certificate.subjectAltName, `DNS:${name}`)
  const account = acme.accounts.at(-1)
  const { x, y } = account?.key.export({ format: 'jwk' }) ?? {}
  const thumbprint = createHash('sha256')
    .update(JSON.stringify({ crv: 'P-256', kty: 'EC', x, y }))
    .digest('base64url')
  const hash = createHash('sha256').update(`${token}.${thumbprint}`).digest()
  // The critical extension 1.3.6.1.5.5.7.1.31, an octet string around one of 32 bytes (RFC 8737, 3).
  const wanted = Buffer.concat([Buffer.from('06082b0601050507011f0101ff04220420', 'hex'), hash])
  return certificate.raw.includes(wanted) ? `${token}.${thumbprint}` : undefined
}

const failsAt = (what: string): FakeRules => ({
  instead: (asked) => (asked === what ? { status: 400, body: JSON.stringify({ detail: 'out of order' }) } : undefined),
})

describe('a certificate of our own', () => {
  for (const challenge of ['http-01', 'tls-alpn-01'] as const)
    test(`comes by ${challenge} while others are served, is shown at once, kept for its owner alone, and there after a start`, async (t) => {
      const world = await opened(t, { challenges: [challenge] })
      const before = (await shake(world.tls, ['http/1.1'])).certificate
      assert.ok(before.verify(before.publicKey), 'a stand-in until then')
      assert.equal((await fetch(`http://127.0.0.1:${world.plain}/`)).status, 503)
      let meanwhile: Handshake | undefined
      acme.rules = {
        look: async (...asked) => {
          meanwhile = await shake(world.tls, ['http/1.1'])
          return await world.look(...asked)
        },
      }
      world.certificates.start()
      assert.match(await world.says('certificate obtained'), /"name":"sett\.test","until":"20\d\d-/)
      assert.equal(meanwhile?.certificate.fingerprint256, before.fingerprint256, 'others see no proof')

      const { certificate, alpn } = await shake(world.tls, ['h2', 'http/1.1'])
      assert.equal(alpn, 'http/1.1')
      assert.equal(certificate.fingerprint256, new X509Certificate(world.certificates.current.cert).fingerprint256)
      assert.notEqual(certificate.fingerprint256, before.fingerprint256)
      assert.deepEqual(world.certificates.state, { until: certificate.validToDate.getTime() })
      for (const file of ['acme-account.pem', 'acme-certificate.pem'])
        assert.equal(statSync(join(world.folder, file)).mode & 0o777, 0o600, file)
      const went = await fetch(`http://127.0.0.1:${world.plain}/login/abc?x=1`, { redirect: 'manual' })
      assert.deepEqual([went.status, went.headers.get('location')], [307, 'https://sett.test/login/abc?x=1'])

      const accounts = acme.accounts.length
      const again = await opened(t, { folder: world.folder, challenges: [challenge] })
      assert.equal((await shake(again.tls, ['http/1.1'])).certificate.fingerprint256, certificate.fingerprint256)
      assert.equal(acme.accounts.length, accounts)
    })

  test('no proof is shown when none is being looked for, nor for another name', async (t) => {
    const world = await opened(t, { challenges: ['tls-alpn-01'] })
    acme.rules = {
      look: async (...asked) => {
        await assert.rejects(shake(world.tls, ['acme-tls/1'], 'other.test'), /ALERT|alert/)
        return await world.look(...asked)
      },
    }
    await assert.rejects(shake(world.tls, ['acme-tls/1']), /ALERT|alert/)
    world.certificates.start()
    await world.says('certificate obtained')
    await assert.rejects(shake(world.tls, ['acme-tls/1']), /ALERT|alert/)
    assert.equal((await fetch(`http://127.0.0.1:${world.plain}/.well-known/acme-challenge/x`)).status, 404)
  })

  test('one that is two thirds over is renewed: connections that are open go on, new ones see the new one', async (t) => {
    const folder = makeFolder()
    const now = Date.now()
    kept(folder, new Date(now - 61 * DAY_MS), new Date(now + 29 * DAY_MS))
    const world = await opened(t, { folder })
    acme.rules = { look: world.look }
    const before = (await shake(world.tls, ['http/1.1'])).certificate
    const socket = connect({ port: world.tls, host: '127.0.0.1', servername: NAME, rejectUnauthorized: false })
    t.after(() => socket.destroy())
    await new Promise((resolve) => socket.once('secureConnect', resolve))
    world.certificates.start()
    await world.says('certificate obtained')
    assert.notEqual((await shake(world.tls, ['http/1.1'])).certificate.fingerprint256, before.fingerprint256)
    socket.write(`GET / HTTP/1.1\r\nHost: ${NAME}\r\nConnection: close\r\n\r\n`)
    let text = ''
    for await (const piece of socket as AsyncIterable<Buffer>) text += piece.toString()
    assert.match(text, /^HTTP\/1\.1 200 OK[^]*hello$/)
  })

  test('when renewal fails the old one is shown and said so; the next attempt tries the other way, and success ends it', async (t) => {
    const folder = makeFolder()
    const now = Date.now()
    kept(folder, new Date(now - 80 * DAY_MS), new Date(now + 10 * DAY_MS))
    acme.rules = { look: () => undefined }
    const world = await opened(t, { folder })
    const before = (await shake(world.tls, ['http/1.1'])).certificate.fingerprint256
    world.certificates.start()
    const failed = await world.says('certificate not renewed, the old one stays')
    assert.match(failed, /could not prove sett\.test by http-01: .*Connection refused.*"until":"20\d\d-.*"again":"20/)
    assert.equal((await shake(world.tls, ['http/1.1'])).certificate.fingerprint256, before)
    assert.equal(world.certificates.failures, 1)
    const { failure, until } = world.certificates.state
    assert.ok(failure !== undefined && failure.at >= now && until !== undefined && until > now)
    // A start tries at once, by the first way; both are at hand, and this time both are looked for.
    const ways: string[] = []
    acme.rules = {
      look: async (type, name, token) => {
        ways.push(type)
        return type === 'http-01' ? undefined : await second.look(type, name, token)
      },
    }
    const second = await opened(t, { folder })
    second.certificates.start()
    await second.says('certificate not renewed')
    second.skip(20_000)
    await second.says('certificate obtained')
    assert.deepEqual(ways, ['http-01', 'tls-alpn-01'])
    assert.equal(second.certificates.state.failure, undefined)
    assert.notEqual((await shake(second.tls, ['http/1.1'])).certificate.fingerprint256, before)
  })

  test('each trouble is told with what is shown meanwhile, and nobody is served nothing', async () => {
    const rows: readonly (readonly [string, FakeRules, number, string, RegExp])[] = [
      [
        'nothing yet',
        failsAt('newOrder'),
        NaN,
        'no certificate yet',
        /Cannot order a certificate for sett\.test: out of order/,
      ],
      ['run out', failsAt('newOrder'), -HOUR_MS, 'certificate has run out and was not renewed', /out of order/],
      [
        'the chain is none',
        { instead: (asked) => (asked === 'certificate' ? { body: 'none' } : undefined) },
        DAY_MS,
        'certificate not renewed',
        /it sent no certificate/,
      ],
      [
        'the chain is of another key',
        {
          instead: (asked) => (asked === 'certificate' ? { body: makeSelfSigned([NAME], new Date()).cert } : undefined),
        },
        DAY_MS,
        'certificate not renewed',
        /the key is of another certificate/,
      ],
    ]
    for (const [name, rules, until, event, why] of rows) {
      const folder = makeFolder()
      const now = Date.now()
      if (!Number.isNaN(until)) kept(folder, new Date(now - 89 * DAY_MS), new Date(now + until))
      const world = await open({ folder })
      try {
        acme.rules = { look: world.look, ...rules }
        const before = (await shake(world.tls, ['http/1.1'])).certificate.fingerprint256
        world.certificates.start()
        assert.match(await world.says(event), why, name)
        assert.equal((await shake(world.tls, ['http/1.1'])).certificate.fingerprint256, before, name)
      } finally {
        await world.close()
      }
    }
  })

  test('it stops in the middle of a conversation without a word', async (t) => {
    const world = await opened(t)
    acme.rules = { look: () => new Promise(() => undefined) }
    const asked = acme.asked.length
    world.certificates.start()
    await world.says('asking for a certificate')
    while (!acme.asked.slice(asked).some((each) => each.startsWith('challenge'))) await new Promise(setImmediate)
    world.certificates.close()
    await world.certificates.idle()
    assert.deepEqual(
      world.logged.filter((line) => !line.startsWith('certificate account made')),
      [],
    )
  })

  test('a certificate of another authority or with a wrong clock', async (t) => {
    const folder = makeFolder()
    kept(folder, new Date(Date.now() - DAY_MS), new Date(Date.now() + 89 * DAY_MS), 'https://staging.test/directory')
    const world = await opened(t, { folder, ahead: 1000 * DAY_MS })
    acme.rules = { look: world.look }
    world.certificates.start()
    await world.says("the certificate is not good by this machine's clock")
    await world.says('certificate obtained')
    assert.equal(readKept(folder, NAME)?.directory, acme.directory)
  })

  test('files that are damaged stop the start by name and are left as they are; another name has its own', () => {
    for (const file of ['acme-account.pem', 'acme-certificate.pem']) {
      const folder = makeFolder()
      kept(folder, new Date(), new Date(Date.now() + DAY_MS))
      writeFileSync(join(folder, file), 'damaged')
      const refused = new RegExp(`${file}: want .*restore it from a backup, or delete it`)
      assert.throws(() => new AcmeCertificates(optionsOf(folder)), refused)
      assert.equal(readFileSync(join(folder, file), 'utf8'), 'damaged')
    }
    const folder = makeFolder()
    kept(folder, new Date(), new Date(Date.now() + DAY_MS))
    assert.notEqual(readKept(folder, NAME), undefined)
    assert.equal(readKept(folder, 'other.test'), undefined)
  })
})

function optionsOf(folder: string): ConstructorParameters<typeof AcmeCertificates>[0] {
  const none = () => undefined
  return {
    folder,
    directory: acme.directory,
    name: NAME,
    email: undefined,
    externalAccount: undefined,
    challenges: ['http-01'],
    log: { trace: none, debug: none, info: none, warn: none, error: none },
    clocks: { mono, wall: () => Date.now() as Wall },
    dice: (length) => new Uint8Array(length),
    agent: 'sett/test',
  }
}

/** Puts a certificate of the authority into a folder. */
function kept(folder: string, from: Date, until: Date, directory = acme.directory): void {
  const { cert, key } = makeSelfSigned([NAME], new Date())
  const spki = new X509Certificate(cert).publicKey.export({ type: 'spki', format: 'der' })
  keep(folder, { directory, cert: acme.certify(spki, NAME, () => ({ from, until })), key })
}
