/** `sett coord`: reads what the command line says, and runs the server until it is told to stop. */

import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { MeshError } from '../base/errors.ts'
import { resolveConfig } from './io/config/config.ts'
import type { Texts } from './io/config/config.ts'
import { OPTION_NAMES, OPTIONS, variableOf } from './io/config/options.ts'
import type { Config } from './io/config/options.ts'
import { thisHost } from './io/host.ts'
import { runServer } from './io/run.ts'

/** Exit codes: 0 done, 1 failed, 2 the command line or configuration is wrong. */
export async function main(args: readonly string[]): Promise<number> {
  let code = 0
  const command = new Command('sett coord')
    .description('Run the coordination server. It needs no configuration: it makes its keys and database itself.')
    .option('--config <FILE>', 'file with "option = value" lines; flags and SETT_… variables count before it')
    .allowExcessArguments(false)
    .exitOverride()
    .addHelpText('after', `\nEvery option is also a variable: --listen is ${variableOf('listen')}.`)
    .action(async (flags: Texts & { config?: string }) => {
      code = await runServer(readConfig(flags))
    })
  for (const name of OPTION_NAMES) command.option(`--${name} <${OPTIONS[name].arg}>`, OPTIONS[name].help)
  try {
    await command.parseAsync(args, { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    if (!(error instanceof MeshError)) throw error
    process.stderr.write(`sett coord: ${error.message}\n`)
    return error.code === 'config/invalid' ? 2 : 1
  }
  return code
}

/** Commander gives camel case; we speak of options as they are written. */
function readConfig(flags: { readonly [camel: string]: string | undefined }): Config {
  const texts: { [name: string]: string | undefined } = {}
  for (const name of OPTION_NAMES) texts[name] = flags[name.replace(/-(.)/g, (_, c: string) => c.toUpperCase())]
  const file = flags['config'] ?? (process.env['SETT_CONFIG'] || undefined)
  return resolveConfig(
    { flags: texts, env: process.env, ...(file === undefined ? {} : { file: { name: file, text: readFile(file) } }) },
    thisHost(),
  )
}

function readFile(name: string): string {
  try {
    return readFileSync(name, 'utf8')
  } catch (cause) {
    throw new MeshError('config/invalid', `Cannot read the configuration ${name}: ${(cause as Error).message}`, {
      cause,
    })
  }
}
