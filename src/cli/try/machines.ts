/**
 * Machines that are not there: namespaces with a cable to one switch, on which the server's machine sits too.
 *
 * Each has network, mounts and name of its own. Its /etc is that of this machine, read-only, but for the files that a
 * node may change; what runs on it cannot reach this machine's services by their sockets (`hideServices`).
 */

import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { MeshError } from '../../base/errors.ts'
import { Child } from './child.ts'
import { BITS, SERVER_ADDRESS, SERVER_NAME } from './names.ts'
import type { MachineName } from './names.ts'

const run = promisify(execFile)

const SWITCH = 'cable'
const BEGIN_MS = 10_000

/** Sets up the inside of a machine, says so, and holds its namespaces until the pipe that it reads is closed. */
const HOLD = `
hostname "$0" 2>/dev/null
mount -t sysfs sysfs /sys 2>/dev/null
mount --bind "$1" /etc || exit 1
ip link set lo up || exit 1
echo ready
exec cat >/dev/null`

/** Gives the end of a cable its address, and everything else a way that ends at the server's machine. */
const PLUG = 'ip address add "$0" dev eth0 && ip link set eth0 up && ip route add default via "$1"'

export interface Machine extends MachineName {
  /** What its programs keep. */
  readonly folder: string
  /** A process that stays as long as the machine does. */
  readonly pid: number
  /** A command that runs another on this machine. */
  on(command: readonly string[]): readonly string[]
}

/** Makes the network that we are in the server's machine, and a switch. */
export async function openServerMachine(folder: string): Promise<Machine> {
  await hideServices()
  await ipBatch([
    'link set lo up',
    `link add ${SWITCH} type bridge`,
    `address add ${SERVER_ADDRESS}/${BITS} dev ${SWITCH}`,
    `link set ${SWITCH} up`,
  ])
  await run('hostname', [SERVER_NAME]).catch(() => undefined)
  const own = join(folder, SERVER_NAME)
  mkdirSync(own)
  return { name: SERVER_NAME, address: SERVER_ADDRESS, folder: own, pid: process.pid, on: (command) => command }
}

/** Machines, plugged into the switch of the server's. */
export async function openMachines(folder: string, names: readonly MachineName[]): Promise<readonly Machine[]> {
  const shared = await shareEtc(folder)
  const machines = await Promise.all(names.map((each) => openMachine(folder, shared, each)))
  await ipBatch(
    machines.flatMap(({ name, pid }) => [
      `link add to-${name} type veth peer name eth0 netns ${pid}`,
      `link set to-${name} master ${SWITCH} up`,
    ]),
  )
  await Promise.all(
    machines.map(({ address, pid }) =>
      run('nsenter', ['--target', String(pid), '--net', 'sh', '-c', PLUG, `${address}/${BITS}`, SERVER_ADDRESS]),
    ),
  )
  return machines
}

async function openMachine(folder: string, etc: string, { name, address }: MachineName): Promise<Machine> {
  const own = join(folder, name)
  mkdirSync(own)
  const ownEtc = join(own, 'etc')
  furnishEtc(ownEtc, etc, name)
  const separate = ['--net', '--mount', '--uts', '--propagation', 'private']
  const holder = new Child(`The machine ${name}`, ['unshare', ...separate, 'sh', '-c', HOLD, name, ownEtc])
  await holder.says(/^ready$/m, BEGIN_MS)
  const { pid } = holder
  const way = ['nsenter', '--target', String(pid), '--net', '--uts', '--mount', '--']
  const on = (command: readonly string[]): readonly string[] => [...way, ...command]
  return { name, address, folder: own, pid, on }
}

/** Sockets of services that change this machine's network: what runs inside shall not find them. */
async function hideServices(): Promise<void> {
  const folders = ['/run/dbus', '/run/systemd', '/run/NetworkManager', '/run/resolvconf']
  for (const folder of folders.filter((each) => existsSync(each))) await run('mount', ['-t', 'tmpfs', 'none', folder])
}

/** This machine's /etc, where nobody writes to it. */
async function shareEtc(folder: string): Promise<string> {
  const etc = join(folder, 'etc')
  mkdirSync(etc)
  // With what is mounted below: a user namespace may not look behind that.
  await run('mount', ['--rbind', '/etc', etc])
  await run('mount', ['-o', 'remount,bind,ro', etc]).catch(() => undefined)
  return etc
}

/** What a node writes, or shall not read: there is nobody to ask about names in there. */
function furnishEtc(etc: string, shared: string, name: string): void {
  const own: Readonly<Record<string, string>> = {
    'resolv.conf': '',
    hostname: `${name}\n`,
    hosts: `127.0.0.1 localhost ${name}\n::1 localhost ${name}\n${SERVER_ADDRESS} ${SERVER_NAME}\n`,
  }
  mkdirSync(etc)
  for (const [file, text] of Object.entries(own)) writeFileSync(join(etc, file), text)
  for (const file of readdirSync(shared))
    if (!Object.hasOwn(own, file)) symlinkSync(join(shared, file), join(etc, file))
}

async function ipBatch(commands: readonly string[]): Promise<void> {
  const done = run('ip', ['-batch', '-'])
  done.child.stdin?.end(`${commands.join('\n')}\n`)
  await done.catch((error: Error & { readonly stderr?: string }) => {
    const why = error.stderr?.trim() || error.message
    throw new MeshError('system/refused', `Cannot lay cables between the machines: ${why}`)
  })
}
