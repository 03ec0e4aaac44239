/**
 * The first process in a try's namespaces: makes the machines, starts server and daemons, brings the nodes up, and
 * shows that they reach each other. It ends when the pipe that it reads does; the kernel then ends all the rest.
 *
 *   node inside.ts FOLDER NODES HOW COMMAND
 */

import { spawnSync } from 'node:child_process'
import { mkdirSync, rmdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { MeshError } from '../../base/errors.ts'
import { BIN } from './called.ts'
import { Child } from './child.ts'
import type { Entrance } from './enter.ts'
import { openMachines, openServerMachine } from './machines.ts'
import type { Machine } from './machines.ts'
import { nodeNames, SERVER_ADDRESS, SERVER_URL } from './names.ts'
import type { MachineName } from './names.ts'
import { Node } from './node.ts'
import { table, tour } from './tour.ts'

const SETT = join(BIN, 'sett')
const SETTD = join(BIN, 'settd')
const TRANSFER = [
  process.execPath,
  fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './transfer.ts' : './transfer.js', import.meta.url)),
]

/** By then the end of a program is known. */
const NOTICED_MS = 200

const [folder = '', count = '', how = '', command = 'sett'] = process.argv.slice(2)
const began = performance.now()
/** With two nodes all of it takes some three seconds where nothing else runs; on a busy machine much longer. */
const BEGIN_MS = 30_000 + 3_000 * Number(count)

function progress(what: string): void {
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  process.stdout.write(`${seconds.padStart(6)} s  ${what}\n`)
}

async function main(): Promise<void> {
  const names = nodeNames(Number(count))
  process.stdout.write(
    `Starting a server and ${names.length} nodes on machines of their own, in namespaces (${how}).\n\n`,
  )
  const serverMachine = await openServerMachine(folder)
  const server = startServer(serverMachine)
  const admin = join(serverMachine.folder, 'data/admin.sock')
  // The server does not wait for the others.
  const [key, nodes] = await whileAll([server], Promise.all([keyOf(server, admin), openNodes(names)]))
  writeFileSync(join(folder, 'machines.json'), JSON.stringify(entrances(serverMachine, admin, nodes)))
  const programs = [server, ...nodes.map(({ daemon }) => daemon)]
  await whileAll(programs, bringUp(nodes, key))
  await whileAll(programs, show(nodes))
  for (const each of programs) void each.ended().then((how) => process.stderr.write(`${each.failure(how).message}\n`))
}

/** The work's result, unless one of the programs ends before. */
async function whileAll<T>(programs: readonly Child[], work: Promise<T>): Promise<T> {
  const ends = programs.map(async (each) => {
    throw each.failure(await each.ended())
  })
  try {
    return await Promise.race([work, ...ends])
  } catch (error) {
    // What the work ran into may be that a program is gone: then its end is the reason.
    await Promise.race([Promise.all(ends), pause(NOTICED_MS)])
    throw error
  }
}

function startServer(machine: Machine): Child {
  const data = join(machine.folder, 'data')
  mkdirSync(data, { mode: 0o700 })
  const at = SERVER_ADDRESS
  const listen = ['--listen', `${at}:8080`, '--relay-listen', `${at}:8443`, '--stun-listen', `${at}:3478,${at}:3479`]
  return new Child('The server', [SETT, 'coord', '--data', data, '--url', SERVER_URL, ...listen])
}

/** A key with which all nodes join, as soon as the server can make one. */
async function keyOf(server: Child, socket: string): Promise<string> {
  await server.says(/Sett is running at/, BEGIN_MS)
  progress(`server at ${SERVER_URL}`)
  const [{ createClient }, { socketFetch }] = await Promise.all([
    import('../../sdk/client.ts'),
    import('../admin/socket-fetch.ts'),
  ])
  const client = createClient({ url: 'http://sett', fetch: socketFetch(socket) })
  const create = { reusable: true, ephemeral: false, preauthorized: true, tags: [] }
  const { key } = await client.createKey({ tailnet: '-', body: { capabilities: { devices: { create } } } })
  if (key === undefined) throw new MeshError('internal', 'The server made a key and did not say it')
  return key
}

async function openNodes(names: readonly MachineName[]): Promise<readonly Node[]> {
  const machines = await openMachines(folder, names)
  progress(`machines ${names.map(({ name }) => name).join(', ')} and cables between them`)
  mkdirSync(join(folder, 'bin'))
  for (const each of ['sett', 'settd']) symlinkSync(join(BIN, each), join(folder, 'bin', each))
  return machines.map((machine) => new Node(machine, [SETTD]))
}

/** What `sett try enter` needs to know. */
function entrances({ name, pid }: Machine, socket: string, nodes: readonly Node[]): readonly Entrance[] {
  return [{ name, pid, socket }, ...nodes.map(({ machine: { name, pid }, socket }) => ({ name, pid, socket }))]
}

async function bringUp(nodes: readonly Node[], key: string): Promise<void> {
  const up = async (node: Node): Promise<void> => {
    await node.ready(BEGIN_MS)
    progress(`${node.name} joined as ${await node.up(SERVER_URL, key, BEGIN_MS)}`)
  }
  await Promise.all(nodes.map(up))
  await Promise.all(nodes.map((node) => node.seesOthers(nodes.length - 1, BEGIN_MS)))
}

/** Shows that the first two reach each other, and what can be tried next. */
async function show(nodes: readonly Node[]): Promise<void> {
  const [first, second] = nodes as [Node, Node]
  const [there, back] = await Promise.all([first.ping(second.name), second.ping(first.name)])
  progress(`${first.name} to ${second.name}: ${there}`)
  progress(`${second.name} to ${first.name}: ${back}`)
  progress(`${first.name} to ${second.name} by TCP through the tunnel: ${await transferRate(first, second)}`)
  const status = await first.sett(['status'])
  process.stdout.write(table(first.name, status.out))
  process.stdout.write(tour({ command, names: nodes.map(({ name }) => name), second: second.address }))
}

/** @returns `1.23 Gbit/s` */
async function transferRate(from: Node, to: Node): Promise<string> {
  const taker = new Child(`Taking a transfer on ${to.name}`, to.machine.on([...TRANSFER, 'take', to.address]))
  await taker.says(/ready/, BEGIN_MS)
  const giver = new Child(`A transfer from ${from.name}`, from.machine.on([...TRANSFER, 'give', to.address]))
  const [, bytes, seconds] = await giver.says(/^(\d+) ([\d.]+)$/m, BEGIN_MS)
  const rate = (Number(bytes) * 8) / Number(seconds)
  return rate >= 1e9 ? `${(rate / 1e9).toFixed(1)} Gbit/s` : `${Math.round(rate / 1e6)} Mbit/s`
}

/** Where nobody else is left to do it. Nothing in here outlives this process. */
function end(code: number): never {
  spawnSync('umount', ['--lazy', folder])
  try {
    rmdirSync(folder)
  } catch {
    // Whoever started us has been quicker.
  }
  process.exit(code)
}

process.stdin
  .on('end', () => end(0))
  .on('error', () => end(0))
  .resume()
// Nobody reads what we say any more.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => end(0))
try {
  await main()
  // Node keeps compiled code when a process ends by itself; this one may be killed, and shall start quickly next time.
  flushCompileCache()
} catch (error) {
  const said = error instanceof MeshError ? error.message : ((error as Error).stack ?? String(error))
  process.stderr.write(
    `\nsett try: It did not come up, and nothing of it stays. ${said}\nTry again; if that fails in the same way, report it with these lines.\n`,
  )
  end(1)
}
