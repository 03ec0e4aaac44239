/** How a command is used, in the official command line's layout. */

import { alignColumns } from './columns.ts'
import { initialText } from './flags.ts'
import type { Flag } from './flags.ts'
import type { Command } from './command.ts'

export type Described = Pick<Command, 'usage' | 'short' | 'long' | 'flags' | 'hideDefaults'> & {
  readonly subcommands?: readonly { readonly name: string; readonly short: string }[]
}

export function usageOf(command: Described): string {
  const parts = [command.short, `USAGE\n  ${command.usage.replaceAll('\n', '\n  ')}`]
  if (command.long !== undefined) parts.push(command.long)
  if (command.subcommands !== undefined) {
    const rows = command.subcommands.map(({ name, short }) => `  ${name}\t${short}\n`).join('')
    parts.push(`SUBCOMMANDS\n${alignColumns(rows, { minWidth: 0, padding: 2 }).trimEnd()}`)
  }
  const shown = Object.entries(command.flags ?? {}).filter(([, flag]) => flag.hidden !== true)
  if (shown.length > 0) {
    shown.sort(([a], [b]) => (a < b ? -1 : 1))
    parts.push(`FLAGS\n${shown.map(([name, flag]) => flagLines(name, flag, command.hideDefaults !== true)).join('\n')}`)
  }
  return `${parts.join('\n\n')}\n`
}

function flagLines(name: string, flag: Flag, withInitial: boolean): string {
  const head = flag.kind === 'bool' ? `  --${name}, --${name}=false` : `  --${name} value`
  const initial = initialText(flag)
  return `${head}\n    \t${flag.usage.replaceAll('\n', '\n    \t')}${withInitial && initial !== '' ? ` (default ${initial})` : ''}`
}
