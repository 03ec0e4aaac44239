/**
 * A server that was told its name and nothing else: it obtains its certificate from Debian's pebble on the ports that
 * everybody expects, and official clients who trust the authority alone join it and use its relay.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { promisify } from 'node:util'

import { makeSelfSigned } from '../../src/crypto/io/self-signed.ts'
import { findTool } from '../lab/available.ts'
import { Lab } from '../lab/lab.ts'
import type { Namespace } from '../lab/namespace.ts'
import type { LabProcess } from '../lab/process.ts'
import { SETT } from '../support/server.ts'
import { buildClients, chosenClient } from './driver/build.ts'
import { meet, TsClients, type TsNode } from './driver/tsclient.ts'
import { interopMissing, NET, SERVER_HOST } from './driver/world.ts'

const HOST = 'sett.example.com'
const AUTHORITY = `${NET}.2`
const ACME_PORT = 14000
const CONTROL_PORT = 15000

const run = promisify(execFile)
const skip = interopMissing() || (findTool('pebble') === undefined && 'pebble is not installed (Debian package pebble)')

/** Starts pebble, which asks at ports 80 and 443; resolves with the root above what it gives, PEM. */
async function startPebble(at: Namespace, files: { readonly cert: string; readonly key: string }): Promise<string> {
  const config = join(at.dir, 'pebble.json')
  const pebble = {
    listenAddress: `${AUTHORITY}:${ACME_PORT}`,
    managementListenAddress: `${AUTHORITY}:${CONTROL_PORT}`,
    certificate: files.cert,
    privateKey: files.key,
    httpPort: 80,
    tlsPort: 443,
  }
  writeFileSync(config, JSON.stringify({ pebble }))
  const env = { PEBBLE_VA_NOSLEEP: '1' }
  await at.spawn('pebble', ['-strict', '-config', config], { env }).waitFor(/ACME directory available/)
  const ask = `require('node:https').get({ host: '${AUTHORITY}', port: ${CONTROL_PORT}, path: '/roots/0', rejectUnauthorized: false }, (res) => res.pipe(process.stdout))`
  return await at.exec(process.execPath, ['-e', ask])
}

suite('a certificate without configuration', { skip }, () => {
  let lab: Lab
  let server: LabProcess
  let clients: Record<'anna' | 'ben', TsClients>
  let data: string
  let key: string

  before(async () => {
    const { tsclient } = await buildClients(chosenClient())
    lab = await Lab.open()
    const segment = await lab.segment()
    const machine = async (name: string, address: string): Promise<Namespace> => {
      const made = await lab.namespace(name)
      await lab.plug(made, segment, `${address}/24`)
      made.addHost(SERVER_HOST, HOST)
      return made
    }
    const authority = await machine('authority', AUTHORITY)
    const files = { cert: join(lab.dir, 'pebble.pem'), key: join(lab.dir, 'pebble.key') }
    const own = makeSelfSigned([AUTHORITY], new Date())
    writeFileSync(files.cert, own.cert)
    writeFileSync(files.key, own.key)
    const root = join(lab.dir, 'root.pem')
    writeFileSync(root, await startPebble(authority, files))

    const host = await machine('server', SERVER_HOST)
    data = join(host.dir, 'data')
    const directory = `https://${AUTHORITY}:${ACME_PORT}/dir`
    const flags = ['--tls', 'acme', '--url', `https://${HOST}`, '--acme-directory', directory, '--data', data]
    server = host.spawn(SETT, ['coord', ...flags], { env: { NODE_EXTRA_CA_CERTS: files.cert } })
    await server.waitFor(/is here: machines can join/)
    const made = await run(SETT, ['admin', '--socket', join(data, 'admin.sock'), 'keys', 'create', '--reusable'])
    key = made.stdout.trim()

    const env = { SSL_CERT_FILE: root, TS_NO_LOGS_NO_SUPPORT: 'true' }
    const on = async (name: string, address: string) => new TsClients(await machine(name, address), tsclient, env)
    clients = { anna: await on('anna', `${NET}.11`), ben: await on('ben', `${NET}.12`) }
  })
  after(async () => lab?.close())

  test('official clients join by the name, meet, and reach each other over the relay', async (t) => {
    assert.match((await clients.anna.plain(`https://${HOST}/healthz`)).text, /^ok\n$/)
    const join = (name: 'anna' | 'ben'): Promise<TsNode> =>
      clients[name].join(name, { control: `https://${HOST}`, authKey: key })
    const [anna, ben] = await Promise.all([join('anna'), join('ben')])
    await ben.serve()
    await meet(anna, ben)
    assert.equal((await anna.get(`http://${await ben.ip()}/hello`)).text, 'hello from ben')
    await clients.anna.namespace.blockUdp()
    const ping = await anna.pingsBy('relay', await ben.ip())
    t.diagnostic(`disco ping over the relay: ${(ping.LatencySeconds * 1000).toFixed(1)} ms`)
    assert.equal((await anna.get(`http://${await ben.ip()}/hello`)).text, 'hello from ben')
    assert.doesNotMatch(server.output, /\b(warn|error)\b/)
  })
})
