/**
 * `sett coord import headscale`: reads what the command line says, brings the other server over, and tells what was
 * brought and what could not be.
 *
 * A command of its own rather than one of `sett coord`, since its `--database` and `--config` are those of the server
 * that is taken over.
 */

import { Command } from 'commander'
import { readFileSync } from 'node:fs'
import { MeshError } from '../../../base/errors.ts'
import { isValidHostname } from '../../../base/dns-name.ts'
import { helpOf, variableOf } from '../config/options.ts'
import type { Config } from '../config/options.ts'
import type { Bringing } from './bring.ts'
import { reportOf } from './report.ts'
import type { HeadscaleSettings } from './settings.ts'

export interface ImportSurroundings {
  readonly out: { write(text: string): void }
  readonly err: { write(text: string): void }
  /** The server's own configuration, as flags, variables and file say it. */
  readonly configOf: (said: { readonly data: string | undefined; readonly database: string | undefined }) => Config
}

interface Flags {
  readonly database?: string
  readonly noiseKey?: string
  readonly config?: string
  readonly domain?: string
  readonly owner?: string
  readonly policy?: string
  readonly oidcIssuer?: string
  readonly dryRun?: true
  readonly data?: string
  readonly into?: string
}

export function importCommand(at: ImportSurroundings): Command {
  const command = new Command('sett coord import')
    .description('Take over another coordination server: its clients go on without a new login.')
    .exitOverride()
    .configureOutput({ writeOut: (text) => at.out.write(text), writeErr: (text) => at.err.write(text) })
  command
    .command('headscale')
    .description('take over a Headscale server that has been stopped; its files are only read')
    .option('--database <FILE>', "Headscale's SQLite file (default: the one that --config names)")
    .option('--noise-key <FILE>', "Headscale's Noise key (default: the one that --config names)")
    .option('--config <FILE>', "Headscale's config.yaml: base domain, DNS, where its files are")
    .option('--domain <NAME>', 'base domain of its names (default: the one that --config names)')
    .option(
      '--owner <USER>',
      'name or address of the user who is to own the tailnet (default: a new user, admin@DOMAIN)',
    )
    .option('--policy <FILE>', 'policy to use instead of its own; an empty file is the default policy')
    .option(
      '--oidc-issuer <URL>',
      'issuer of its identity provider, to the letter (default: the one that --config names)',
    )
    .option('--dry-run', 'put everything together and try it, and change nothing')
    .option('--data <FOLDER>', `${helpOf('data')}; a new or empty one`)
    .option('--into <URL>', `what "sett coord" calls --database: ${helpOf('database')}`)
    .allowExcessArguments(false)
    .addHelpText('after', `\nOptions of the new server count as variables as well, such as ${variableOf('data')}.`)
    .action((flags: Flags) => run(flags, at))
  return command
}

async function run(flags: Flags, at: ImportSurroundings): Promise<void> {
  const { readSettings } = await import('./settings.ts')
  const settings = flags.config === undefined ? undefined : readSettings(flags.config)
  const config = at.configOf({ data: flags.data, database: flags.into })
  const bringing = bringingOf(flags, settings, config)
  const { bringHeadscale } = await import('./bring.ts')
  const brought = await bringHeadscale(bringing)
  const url = settings?.serverUrl
  at.out.write(reportOf(brought, bringing, url))
}

/** @throws MeshError `config/invalid` for what nobody says */
function bringingOf(flags: Flags, settings: HeadscaleSettings | undefined, config: Config): Bringing {
  if (flags.database === undefined && settings?.postgres === true)
    throw invalid('its config.yaml names PostgreSQL, and only its databases in SQLite are read')
  const source = flags.database ?? settings?.database
  if (source !== undefined && /^postgres(?:ql)?:/i.test(source))
    throw invalid('only its databases in SQLite are read, not those in PostgreSQL')
  const noiseKey = flags.noiseKey ?? settings?.noiseKey
  const domain = flags.domain ?? settings?.baseDomain
  if (source === undefined) throw invalid('say where its SQLite file is, with --database FILE')
  if (noiseKey === undefined)
    throw invalid('say where its Noise key is, with --noise-key FILE: its clients know the server by it')
  if (domain === undefined)
    throw invalid(
      'say the base domain of its names, with --config FILE for its config.yaml or with --domain NAME; the database does not hold it',
    )
  const policy = policyOf(flags.policy ?? settings?.policyFile, settings)
  const issuer = flags.oidcIssuer ?? settings?.oidcIssuer
  return {
    source,
    noiseKey,
    domain: readDomain(domain),
    ...(flags.owner === undefined ? {} : { owner: flags.owner }),
    ...(issuer === undefined ? {} : { issuer }),
    ...(policy === undefined ? {} : { policy }),
    ...(settings?.dns === undefined ? {} : { dns: settings.dns }),
    data: config.data,
    database: config.database.reveal(),
    dryRun: flags.dryRun === true,
  }
}

function invalid(why: string): MeshError {
  return new MeshError('config/invalid', `Cannot import from Headscale: ${why}`)
}

/** A node's name has up to 63 bytes in front of it, and a dot. */
const DOMAIN_MAX = 180

function readDomain(text: string): string {
  const domain = text.toLowerCase().replace(/^\.|\.$/g, '')
  if (!isValidHostname(domain) || domain === '' || domain.length > DOMAIN_MAX)
    throw invalid(`the base domain ${JSON.stringify(text)} is no DNS name; want one such as tailnet.example.com`)
  return domain
}

/** The text where it is not the database's: with settings that name neither, Headscale had none, whatever rows it has. */
function policyOf(file: string | undefined, settings: HeadscaleSettings | undefined): string | undefined {
  if (file !== undefined) return readPolicy(file)
  return settings === undefined || settings.policyInDatabase ? undefined : ''
}

function readPolicy(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new MeshError('config/invalid', `Cannot read the policy ${file}: ${(cause as Error).message}`, { cause })
  }
}
