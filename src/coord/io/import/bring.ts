/**
 * Brings a Headscale server over, all of it or nothing.
 *
 * Everything is first put together in a database of its own, by the code that a running server writes with, and tried
 * there. Then the Noise key is put into the data folder, and the whole goes into the server's database in one
 * transaction, as a backup does when it is restored. Whatever fails before that leaves nothing behind; if the machine
 * stops in between, the same command goes on from there.
 */

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MeshError } from '../../../base/errors.ts'
import { PrivateKey } from '../../../base/keys.ts'
import { machineKeyFor } from '../../../crypto/primitives.ts'
import { nodePrimitives } from '../../../crypto/io/node-primitives.ts'
import { importHeadscale, policyWrites, writesOf } from '../../import/headscale.ts'
import type { Imported, Wish } from '../../import/headscale.ts'
import { StoreLedger } from '../../ledger.ts'
import { worker } from '../../model/actors.ts'
import { randomStableId } from '../../model/credentials.ts'
import type { Sha256 } from '../../model/credentials.ts'
import { domainsOf } from '../../model/policies.ts'
import { DEFAULT_SETTINGS, SERVER } from '../../model/records.ts'
import type { IdentityRecord, Tailnet, Write } from '../../model/records.ts'
import { identityId } from '../../people/claims.ts'
import { tailnetWrites } from '../../rest/changes/tailnets.ts'
import { MAX_RESERVE } from '../../store/encode.ts'
import type { Store } from '../../store/store.ts'
import { mono, wall } from '../clocks.ts'
import { openFolder, writeWhole } from '../folder.ts'
import { backupTo, restoreFrom } from '../store/backup.ts'
import { openStore } from '../store/open.ts'
import { checkImportedPolicy } from './policy-check.ts'
import { dnsWrites } from './dns.ts'
import { readHeadscale } from './source.ts'
import type { HeadscaleDns } from './settings.ts'

export interface Bringing {
  /** Headscale's SQLite file. */
  readonly source: string
  readonly noiseKey: string
  /** MagicDNS suffix. */
  readonly domain: string
  readonly owner?: string
  readonly issuer?: string
  /** Text of the policy, where it is not the database's. */
  readonly policy?: string
  readonly dns?: HeadscaleDns
  /** The server's own data folder and database. */
  readonly data: string
  readonly database: string
  /** Only tells what would be done. */
  readonly dryRun: boolean
}

export interface Brought {
  readonly tailnet: Tailnet
  readonly imported: Imported
  /** The public half of the Noise key, by which clients know the server. */
  readonly serverKey: string
  readonly version: string | undefined
  readonly policyTests: number
  readonly notes: readonly string[]
}

const BY = worker('import from Headscale')
const sha256: Sha256 = (...parts) => nodePrimitives.sha256(...parts)
const dice = nodePrimitives.random

/** @throws MeshError `config/invalid` and what a store says; nothing has been changed then */
export async function bringHeadscale(bringing: Bringing): Promise<Brought> {
  const source = readHeadscale(bringing.source)
  const key = readNoiseKey(bringing.noiseKey)
  const keyFile = refuseOtherKey(bringing.data, key)
  const scratch = mkdtempSync(join(tmpdir(), 'sett-import-'))
  try {
    const { owner, issuer, policy, domain } = bringing
    const wish: Wish = {
      domain,
      ...(owner === undefined ? {} : { owner }),
      ...(issuer === undefined ? {} : { issuer }),
      ...(policy === undefined ? {} : { policy }),
      lastUser: source.lastUser,
      lastNode: source.lastNode,
      now: wall(),
    }
    const imported = importHeadscale(source.tables, wish, dice, sha256)
    const assembled = join(scratch, 'sett.db')
    const made = await assemble(`sqlite:${assembled}`, imported, bringing, source)
    const backup = join(scratch, 'sett.backup')
    await backupTo(`sqlite:${assembled}`, backup)
    if (!bringing.dryRun) await putInPlace(backup, bringing, { keyFile, key })
    return {
      ...made,
      imported,
      serverKey: machineKeyFor(nodePrimitives, key),
      version: source.version,
      notes: [...source.notes, ...imported.notes, ...made.notes],
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

function readNoiseKey(file: string): PrivateKey {
  try {
    return PrivateKey.parse(readFileSync(file, 'utf8').trim())
  } catch (cause) {
    const why = cause instanceof MeshError ? 'want "privkey:" and 64 hex digits' : (cause as Error).message
    throw new MeshError('config/invalid', `Cannot read Headscale's Noise key ${file}: ${why}`, { cause })
  }
}

/** The file that the key goes to, if it may. */
function refuseOtherKey(data: string, key: PrivateKey): string {
  const file = join(data, 'noise.key')
  if (existsSync(file) && readFileSync(file, 'utf8').trim() !== key.revealText())
    throw new MeshError(
      'config/invalid',
      `Cannot import into ${data}: a server was started there, and ${file} is its key, by which clients may know it. ` +
        'Say another folder with --data; or, if nobody has joined that server, stop it and delete this file and its database',
    )
  return file
}

/** Writes everything to a database that is nobody's yet, and tries the policy on it. */
async function assemble(
  database: string,
  imported: Imported,
  { domain, dns }: Bringing,
  { lastNode }: { readonly lastNode: number },
): Promise<Pick<Brought, 'tailnet' | 'policyTests' | 'notes'>> {
  await using store = disposable(await openStore(database))
  const ledger = new StoreLedger(store.store, { mono, wall }, () => undefined)
  await ledger.open(() => undefined)
  try {
    const num = await ledger.nextId('tailnet')
    const notes: string[] = []
    await reserve(store.store, 'user', Math.max(0, ...imported.users.map(({ id }) => id)))
    await reserve(store.store, 'node', Math.max(lastNode, ...imported.nodes.map(({ id }) => id)))
    const tailnet: Tailnet = {
      num,
      stableId: randomStableId(dice, 'T'),
      name: domain.split('.', 1)[0] as string,
      domain,
      created: wall(),
      settings: DEFAULT_SETTINGS,
    }
    await ledger.transact(SERVER, BY, ({ server }) => ({
      batch: { writes: tailnetWrites(server, tailnet) ?? [] },
      result: undefined,
    }))
    const { writes, claims = [] } = writesOf(imported, num)
    const all = [
      ...writes,
      ...identityWrites(imported),
      ...dnsWrites(dns, domain, new Set(imported.nodes.map(({ name }) => name)), notes),
    ]
    await ledger.transact(num, BY, () => ({ batch: { writes: all, claims }, result: undefined }))
    const { policy } = imported
    if (policy === undefined) return { tailnet, policyTests: 0, notes }
    const state = ledger.model.state(num)
    const domains = domainsOf(tailnet, state)
    const checked = checkImportedPolicy(policy.text, state, domains, wall())
    await ledger.transact(num, BY, () => ({
      batch: { writes: policyWrites(policy, [...domains]) },
      result: undefined,
    }))
    return { tailnet, policyTests: checked.tests, notes: [...notes, ...checked.warnings] }
  } finally {
    ledger.close()
  }
}

function disposable(store: Store): { readonly store: Store } & AsyncDisposable {
  return { store, [Symbol.asyncDispose]: () => store.close() }
}

/** Numbers that Headscale has given are never given again. */
async function reserve(store: Store, counter: 'node' | 'user', upTo: number): Promise<void> {
  for (let left = upTo; left > 0; left -= MAX_RESERVE) await store.reserve(counter, Math.min(left, MAX_RESERVE))
}

function identityWrites({ identities }: Imported): Write[] {
  return identities.map(({ user, issuer, subject, email, created }) => {
    const value: IdentityRecord = {
      user,
      provider: 'headscale',
      issuer,
      subject,
      ...(email === '' ? {} : { email }),
      groups: [],
      created,
      used: created,
    }
    return { kind: 'identity', id: identityId(sha256, { issuer, subject }), expect: 'absent', value }
  })
}

async function putInPlace(
  backup: string,
  { data, database }: Bringing,
  { keyFile, key }: { readonly keyFile: string; readonly key: PrivateKey },
): Promise<void> {
  openFolder(data)
  const isNew = !existsSync(keyFile)
  // First, so that a machine that stops now has a key and no data, and not the other way round.
  if (isNew) writeWhole(keyFile, `${key.revealText()}\n`)
  try {
    await restoreFrom(backup, database)
  } catch (error) {
    if (isNew) rmSync(keyFile, { force: true })
    throw error instanceof MeshError && error.code === 'config/invalid'
      ? new MeshError(
          'config/invalid',
          'Cannot import: the database of this server holds data already; import into an empty one, which --data and --into name',
          { cause: error },
        )
      : error
  }
}
