/** The lab keeps its promises: no way out, cables that can be pulled, UDP that can be blocked, NAT of both kinds, no leftovers. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'

import { labMissing } from './available.ts'
import { ip, Lab } from './lab.ts'
import type { Namespace } from './namespace.ts'
import { Tailnet } from './tailnet.ts'

const skip = labMissing()

/** Answers every datagram with the address that it came from. */
const REFLECT = `const s = require('node:dgram').createSocket('udp4')
s.on('message', (_, from) => s.send(from.address + ':' + from.port, from.port, from.address))
s.bind(Number(process.argv[1]), () => console.log('ready'))`

/** Sends from one port to all of the given 'address:port', and prints the answers as JSON in that order. */
const ASK = `const s = require('node:dgram').createSocket('udp4'), to = process.argv.slice(1), got = {}
const end = () => { console.log(JSON.stringify(to.map((t) => got[t] ?? null))); process.exit() }
s.on('message', (m, from) => { got[from.address + ':' + from.port] = String(m); if (Object.keys(got).length === to.length) end() })
s.bind(40000, () => { for (const t of to) { const [host, port] = t.split(':'); s.send('?', Number(port), host) } })
setTimeout(end, 700)`

async function reflector(where: Namespace, port: number): Promise<void> {
  await where.spawn(process.execPath, ['-e', REFLECT, String(port)]).waitFor(/ready/)
}

async function ask(from: Namespace, ...targets: string[]): Promise<(string | null)[]> {
  return JSON.parse(await from.exec(process.execPath, ['-e', ASK, ...targets])) as (string | null)[]
}

suiteOfLab()

function suiteOfLab(): void {
  let lab: Lab
  let server: Namespace
  let client: Namespace
  let cable: Awaited<ReturnType<Lab['plug']>>
  let net: Awaited<ReturnType<Lab['segment']>>

  before(async () => {
    if (skip !== false) return
    lab = await Lab.open()
    net = await lab.segment()
    server = await lab.namespace('server')
    client = await lab.namespace('client')
    await lab.plug(server, net, '198.51.100.1/24')
    cable = await lab.plug(client, net, '198.51.100.10/24')
    await reflector(server, 5001)
    await reflector(server, 5002)
  })
  after(async () => {
    if (skip === false) await lab.close()
  })

  test('namespaces on one switch hear each other, and have no way out', { skip }, async () => {
    assert.deepEqual(await ask(client, '198.51.100.1:5001'), ['198.51.100.10:40000'])
    assert.equal(await client.ip('route', 'show', 'default'), '')
  })

  test('a pulled cable carries nothing until it is plugged in again', { skip }, async () => {
    await cable.pull()
    assert.deepEqual(await ask(client, '198.51.100.1:5001'), [null])
    await cable.plug()
    assert.deepEqual(await ask(client, '198.51.100.1:5001'), ['198.51.100.10:40000'])
  })

  test('blocked UDP is dropped, and let through again on demand', { skip }, async () => {
    await client.blockUdp()
    assert.deepEqual(await ask(client, '198.51.100.1:5001'), [null])
    await client.allowUdp()
    assert.deepEqual(await ask(client, '198.51.100.1:5001'), ['198.51.100.10:40000'])
  })

  test('an easy NAT keeps one port for all destinations, a hard one does not', { skip }, async () => {
    for (const [nat, host] of [
      ['easy', 21],
      ['hard', 22],
    ] as const) {
      const { inside } = await lab.router(`${nat}-router`, net, `198.51.100.${host}/24`, '10.0.1.1/24', nat)
      const hidden = await lab.namespace(`behind-${nat}`)
      await lab.plug(hidden, inside, '10.0.1.2/24', { gateway: '10.0.1.1' })
      const seen = await ask(hidden, '198.51.100.1:5001', '198.51.100.1:5002')
      for (const each of seen) assert.match(String(each), new RegExp(`^198\\.51\\.100\\.${host}:`))
      assert.equal(new Set(seen).size, nat === 'easy' ? 1 : 2, `${nat}: ${seen.join(' ')}`)
    }
  })

  test('a program that rewrites resolv.conf rewrites only its own', { skip }, async () => {
    const before = existsSync('/etc/resolv.conf') ? readFileSync('/etc/resolv.conf', 'utf8') : ''
    await client.exec('sh', [
      '-c',
      'echo nameserver 192.0.2.53 > /etc/resolv.conf; rm -f /etc/other; echo x > /etc/other',
    ])
    assert.equal(await client.exec('cat', ['/etc/resolv.conf']), 'nameserver 192.0.2.53\n')
    assert.equal(existsSync('/etc/resolv.conf') ? readFileSync('/etc/resolv.conf', 'utf8') : '', before)
    assert.equal(existsSync('/etc/other'), false)
  })

  test(
    'machines made at once have addresses in the order of their names, whichever is ready first',
    { skip },
    async () => {
      await using tailnet = await Tailnet.open()
      const create = tailnet.lab.namespace.bind(tailnet.lab)
      let letAnnaGoOn = (): void => {}
      const bensTurn = new Promise<void>((resolve) => (letAnnaGoOn = resolve))
      tailnet.lab.namespace = async (name) => {
        if (name === 'anna') await bensTurn
        const made = await create(name)
        // After whatever ben's machine does at once with its namespace.
        if (name === 'ben') setImmediate(letAnnaGoOn)
        return made
      }
      const machines = await Promise.all(['anna', 'ben'].map((name) => tailnet.machine(name)))
      const addresses = await Promise.all(machines.map(({ where }) => where.ip('-4', 'address', 'show', 'dev', 'eth0')))
      assert.match(String(addresses[0]), /inet 198\.51\.100\.10\//)
      assert.match(String(addresses[1]), /inet 198\.51\.100\.11\//)
    },
  )

  test('what a killed test process leaves behind goes when the next lab opens', { skip }, async () => {
    const script = `import { Lab } from ${JSON.stringify(new URL('lab.ts', import.meta.url).href)}
const lab = await Lab.open()
const left = await lab.namespace('left')
left.spawn('sleep', ['600'])
console.log(left.id)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const id = await new Promise<string>((resolve) =>
      child.stdout.once('data', (text: Buffer) => resolve(String(text).trim())),
    )
    const gone = new Promise((resolve) => child.once('close', resolve))
    child.kill('SIGKILL')
    await gone
    assert.ok((await ip('netns', 'list')).includes(id))
    await using _ = await Lab.open()
    assert.ok(!(await ip('netns', 'list')).includes(id))
  })
}
