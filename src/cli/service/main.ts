/** `sett service`: makes the node, or the server, a service of this machine. The texts are units.ts, the rest here.  */

import { realpathSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MeshError } from '../../base/errors.ts'
import { bool, parseFlags, text } from '../node/flags.ts'
import type { Flags } from '../node/flags.ts'
import { usageOf } from '../node/usage.ts'
import { removeFiles, standingOf, writeFiles } from './files.ts'
import { activate, deactivate, isRunBySystemd, stateOf } from './systemd.ts'
import { nodeService, serverService } from './units.ts'
import type { Service } from './units.ts'

const BIN = fileURLToPath(new URL('../../../bin', import.meta.url))

const FLAGS: Flags = {
  server: bool(false, 'the coordination server, not the node'),
  print: bool(false, 'install: print what would be written, and write nothing'),
  start: bool(true, 'install: start it, now and with the machine'),
  root: text('install and uninstall: below this folder, as packagers want it; nothing is started or stopped'),
  bin: text('install: folder of sett and settd, where that is to be another one than where this is'),
}

const HELP = usageOf({
  short: 'Make the node, or the server, a service of this machine (systemd).',
  usage: 'sett service install [--server] [flags]\nsett service uninstall [--server]\nsett service status [--server]',
  long: `The node is settd.service: its state is in /var/lib/settd, its flags are in /etc/default/settd.
The server is sett.service, run by a user "sett": its data is in /var/lib/sett, its options are in /etc/default/sett.
Both are kept when the service is uninstalled.`,
  flags: FLAGS,
})

const VERBS = { install, uninstall, status } as const

/** Exit codes: 0 done (status: it runs), 1 failed (status: it doesn't run), 2 the command line is wrong. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    // Flags may come before the verb, and after it.
    const first = parseFlags(FLAGS, args)
    if (first.kind === 'help') return told(process.stdout, HELP, 0)
    if (first.kind === 'wrong') return told(process.stderr, `${first.message}\n${HELP}`, 2)
    const [verb = '', ...rest] = first.rest
    if (!Object.hasOwn(VERBS, verb))
      throw wrong(verb === '' ? 'Want a verb: install, uninstall or status' : `There is no "${verb}" here; see --help`)
    const parsed = parseFlags(FLAGS, [...args.slice(0, args.length - first.rest.length), ...rest])
    if (parsed.kind === 'help') return told(process.stdout, HELP, 0)
    if (parsed.kind === 'wrong') return told(process.stderr, `${parsed.message}\n${HELP}`, 2)
    if (parsed.rest.length > 0) throw wrong(`There is no "${parsed.rest[0]}" here; see --help`)
    const { values } = parsed
    const place = { bin: values.text('bin') || realpathSync(BIN), node: dirname(realpathSync(process.execPath)) }
    if (!/^\/[\w./@+-]*$/.test(`${place.bin}${place.node}`))
      throw wrong(
        `Cannot write a unit for ${place.bin} and ${place.node}: systemd takes a path without blanks, quotes and "$"`,
      )
    const service = values.bool('server') ? serverService(place) : nodeService(place)
    return await VERBS[verb as keyof typeof VERBS](service, {
      root: values.text('root').replace(/\/+$/, ''),
      print: values.bool('print'),
      start: values.bool('start'),
    })
  } catch (error) {
    if (!(error instanceof MeshError)) throw error
    return told(process.stderr, `sett service: ${error.message}\n`, error.code === 'config/invalid' ? 2 : 1)
  }
}

interface Wish {
  readonly root: string
  readonly print: boolean
  readonly start: boolean
}

async function install(service: Service, { root, print, start }: Wish): Promise<number> {
  if (print) {
    const texts = service.files.map(({ path, text }) => `# ${path}\n${text}`)
    return told(process.stdout, texts.join('\n'), 0)
  }
  if (root === '') await checkMachine('install')
  for (const line of writeFiles(service, root)) process.stdout.write(`${line}\n`)
  if (root !== '') return 0
  for (const line of await activate(service, start)) process.stdout.write(`${line}\n`)
  const next = service.unit === 'settd.service' ? 'sett up' : 'sett admin keys create'
  return told(
    process.stdout,
    start ? `It runs. Next: ${next}\n` : `Start it with: systemctl enable --now ${service.unit}\n`,
    0,
  )
}

async function uninstall(service: Service, { root }: Wish): Promise<number> {
  if (root === '') {
    await checkMachine('uninstall')
    for (const line of await deactivate(service)) process.stdout.write(`${line}\n`)
  }
  for (const line of removeFiles(service, root)) process.stdout.write(`${line}\n`)
  return 0
}

async function status(service: Service, { root }: Wish): Promise<number> {
  for (const file of service.files) process.stdout.write(`${standingOf(file, root).padEnd(12)} ${root}${file.path}\n`)
  if (root !== '') return 0
  if (!isRunBySystemd()) return told(process.stdout, `${'no systemd'.padEnd(12)} ${service.unit} can't run here\n`, 1)
  const { enabled, active } = await stateOf(service)
  process.stdout.write(
    `${enabled.padEnd(12)} ${service.unit}, with the machine\n${active.padEnd(12)} ${service.unit}, now\n`,
  )
  return active === 'active' ? 0 : 1
}

async function checkMachine(verb: 'install' | 'uninstall'): Promise<void> {
  if (process.platform !== 'linux')
    throw new MeshError(
      'system/refused',
      `Cannot ${verb} a service: systemd is a matter of Linux, and this is ${process.platform}`,
    )
  if (!isRunBySystemd())
    throw new MeshError(
      'system/refused',
      `Cannot ${verb} a service: this machine was not started by systemd. ` +
        'For another service manager, "--print" shows what to run and which rights it needs; "--root FOLDER" writes files elsewhere',
    )
  if (process.getuid?.() !== 0)
    throw new MeshError('system/refused', `Cannot ${verb} a service: that takes root. Use: sudo sett service ${verb}`)
}

function wrong(message: string): MeshError {
  return new MeshError('config/invalid', message)
}

function told(to: { write(text: string): unknown }, words: string, code: number): number {
  to.write(words)
  return code
}
