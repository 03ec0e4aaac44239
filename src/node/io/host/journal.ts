/**
 * The journal: a file that says, before anything is done to the machine, what may have been done, so that a later
 * process can undo it (node.md §4.4). It is replaced as a whole and is on the disk before the change begins.
 *
 * Undoing is undo.ts. A journal is good for one boot of one network namespace; another has nothing of ours.
 */

import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, readlinkSync, renameSync, rmSync } from 'node:fs'
import { writeSync } from 'node:fs'
import { join } from 'node:path'
import { utf8 } from '../../../base/bytes.ts'
import { MeshError } from '../../../base/errors.ts'
import { parsePrefix } from '../../../base/ip.ts'
import type { HostPlan } from '../../routes/host-plan.ts'

/** A kernel setting as it was found and as we set it. */
export interface ChangedSetting {
  readonly path: string
  readonly before: string
  readonly value: string
}

/** The device as it was found. */
export interface LinkBefore {
  readonly mtu: number
  /** How many packets wait in it. */
  readonly queue?: number
  readonly isUp: boolean
  /** How the kernel gives it an IPv6 address of its own: `eui64` and the like. */
  readonly generates?: string
}

export interface Journal {
  /** All that may be there. Its device is in all of it. */
  readonly plan: HostPlan
  readonly link?: LinkBefore
  readonly settings: readonly ChangedSetting[]
  /** There may be rules of ours in front of other firewalls' chains. */
  readonly passes: boolean
}

const NAME = 'host-journal.json'
const VERSION = 1

export class JournalFile {
  readonly #folder: string
  readonly #path: string
  #written = ''

  /** The folder is made when there is none, for its owner only. */
  constructor(folder: string) {
    this.#folder = folder
    this.#path = join(folder, NAME)
  }

  /**
   * What an earlier process has left, if it is of this machine as it runs now.
   *
   * @throws MeshError `config/invalid` when it can't be read
   */
  read(): Journal | undefined {
    let text: string
    try {
      text = readFileSync(this.#path, 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw new MeshError('config/invalid', `Cannot read journal ${this.#path}: ${String(error)}`, { cause: error })
    }
    const { machine, journal } = readJournal(text, this.#path)
    if (machine !== machineName()) return undefined
    this.#written = text
    return journal
  }

  /**
   * It is on the disk when this returns; one that says the same is not written again.
   *
   * @param shrinks the one that is there says all of it and more, so it may as well come back after a crash
   * @throws Error when it can't be written: the one that is there stays
   */
  write(journal: Journal, shrinks = false): void {
    const text = `${JSON.stringify({ version: VERSION, machine: machineName(), ...journal })}\n`
    if (text === this.#written) return
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 })
    const draft = `${this.#path}.new`
    // A draft that somebody else made might be read by them.
    rmSync(draft, { force: true })
    try {
      writeWhole(draft, text)
      renameSync(draft, this.#path)
    } catch (error) {
      rmSync(draft, { force: true })
      throw error
    }
    if (!shrinks) this.#syncFolder()
    this.#written = text
  }

  /** Everything is undone. */
  remove(): void {
    this.#written = ''
    try {
      rmSync(this.#path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
      throw error
    }
    this.#syncFolder()
  }

  #syncFolder(): void {
    const fd = openSync(this.#folder, 'r')
    try {
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
  }
}

function writeWhole(path: string, text: string): void {
  const bytes = utf8(text)
  const fd = openSync(path, 'wx', 0o600)
  try {
    for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** This boot and this network namespace: what a journal is good for. */
function machineName(): string {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  return `${boot} ${readlinkSync('/proc/self/ns/net')}`
}

/** Commands are made of what is in here, so what isn't one of our own values is no journal. */
function readJournal(text: string, path: string): { machine: string; journal: Journal } {
  try {
    const read = JSON.parse(text) as { version: number; machine: string } & Journal
    const { plan, link, settings, passes } = read
    const device = /^[A-Za-z0-9_.%-]{1,15}$/
    const isPrefix = (prefix: string): boolean => parsePrefix(prefix) !== undefined
    const isSetting = (each: { path: string; value: string }): boolean =>
      /^net(\/[A-Za-z0-9_-]+)+$/.test(each.path) && /^-?\d+$/.test(each.value)
    const good =
      read.version === VERSION &&
      device.test(plan.device) &&
      plan.addresses.every(isPrefix) &&
      plan.routes.every(({ prefix, to }) => isPrefix(prefix) && ['device', 'throw', 'unreachable'].includes(to)) &&
      plan.rules.every(({ priority, to }) => Number.isInteger(priority) && /^(\d+|[a-z]+)$/.test(String(to))) &&
      Array.isArray(plan.firewall.chains) &&
      plan.settings.every(isSetting) &&
      settings.every((each) => isSetting(each) && /^-?\d+$/.test(each.before)) &&
      typeof passes === 'boolean' &&
      (link === undefined ||
        (Number.isInteger(link.mtu) && Number.isInteger(link.queue ?? 0) && /^[a-z0-9_]*$/.test(link.generates ?? '')))
    if (!good) throw new TypeError('it holds what was never written')
    return { machine: read.machine, journal: { plan, settings, passes, ...(link === undefined ? {} : { link }) } }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new MeshError('config/invalid', `Cannot read journal ${path}: ${why}`, { cause: error })
  }
}
