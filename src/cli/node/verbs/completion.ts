/**
 * `sett completion`: scripts that let a shell complete our command lines. They ask `sett __complete` what may come next,
 * so that they know every verb and flag, and the peers there are.
 */

import { MeshError } from '../../../base/errors.ts'
import type { Command, Context } from '../command.ts'
import type { Flags } from '../flags.ts'
import { quote } from '../go-words.ts'
import { peersOf, shortName } from '../peers.ts'
import { VERBS } from '../verbs.ts'
import { plain } from '../../plain.ts'

const SCRIPTS: Readonly<Record<string, string>> = {
  bash: `_sett() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do COMPREPLY+=("$line"); done < <(sett __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  [[ \${COMPREPLY[0]} == *= ]] && compopt -o nospace
}
complete -o default -o nosort -F _sett sett
`,
  zsh: `#compdef sett
_sett() {
  local -a found
  found=("\${(@f)$(sett __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  [[ -n "$found" ]] && compadd -Q -- "\${found[@]}" || _files
}
if [ "$funcstack[1]" = "_sett" ]; then _sett "$@"; else compdef _sett sett; fi
`,
  fish: `function __sett_complete
  set -l words (commandline -opc)[2..-1] (commandline -ct)
  sett __complete -- $words 2>/dev/null
end
complete -c sett -f -a '(__sett_complete)'
`,
}

export const completion: Command = {
  name: 'completion',
  usage: 'sett completion <bash|zsh|fish>',
  short: 'Print a script that completes commands in a shell',
  long: `bash    source <(sett completion bash)
zsh     source <(sett completion zsh)
fish    sett completion fish | source

in the shell's start-up file.`,
  async run({ args, at }) {
    const [shell, ...more] = args
    const script = shell === undefined || more.length > 0 || !Object.hasOwn(SCRIPTS, shell) ? undefined : SCRIPTS[shell]
    if (script === undefined) throw new MeshError('input/invalid', 'usage: sett completion <bash|zsh|fish>')
    at.out.write(script)
  },
}

/** Programs beside the node's verbs, with the verbs of those that have few. */
const OTHERS: Readonly<Record<string, readonly string[]>> = {
  admin: [],
  coord: ['backup', 'restore'],
  service: ['install', 'uninstall', 'status'],
  try: ['enter'],
}
/** Verbs that take a peer. */
const TAKES_PEER: readonly string[] = ['ping', 'ip', 'whois']

export const complete: Command = {
  name: '__complete',
  usage: 'sett __complete -- <words>',
  short: 'Say what may come next in a command line',
  async run(context) {
    const words = context.args.length > 0 ? context.args : ['']
    const begun = words.at(-1) as string
    for (const word of await candidates(context, words.slice(0, -1), begun))
      if (word.startsWith(begun)) context.at.out.write(`${plain(word)}\n`)
  },
}

async function candidates(context: Context, before: readonly string[], begun: string): Promise<readonly string[]> {
  const [name, ...rest] = before.filter((word) => !word.startsWith('-'))
  if (name === undefined) {
    const verbs = Object.entries(VERBS).flatMap(([verb, { hidden }]) => (hidden ? [] : [verb]))
    return begun.startsWith('-') ? ['--socket=', '--help'] : [...verbs, ...Object.keys(OTHERS)]
  }
  const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined
  if (verb === undefined) return rest.length === 0 && Object.hasOwn(OTHERS, name) ? (OTHERS[name] ?? []) : []
  let command = await verb.load()
  const below = command.subcommands?.find((sub) => sub.name === rest[0])
  if (below !== undefined) command = below
  if (/^--?exit-node=/.test(begun)) {
    const status = await context.node.status().catch(() => undefined)
    if (status === undefined) return []
    const offering = peersOf(status).filter(({ ExitNodeOption }) => ExitNodeOption)
    const flag = begun.slice(0, begun.indexOf('=') + 1)
    return offering.map((peer) => flag + peer.DNSName.replace(/\.$/, ''))
  }
  if (begun.startsWith('-')) return flagWords(command.flags ?? {}, begun.startsWith('--') ? '--' : '-')
  if (TAKES_PEER.includes(name) && rest.length === 0) return peerWords(context, name === 'whois')
  if (name === 'switch' && rest.length <= 1) {
    const accounts = await context.node.profiles().catch(() => [])
    const words = accounts.flatMap(({ ID, Name, NetworkProfile }) => [ID, NetworkProfile.DomainName, Name])
    return rest.length === 0 || rest[0] === 'remove'
      ? [...new Set(words), ...(rest.length === 0 ? ['remove'] : [])]
      : []
  }
  if (name === 'completion' && rest.length === 0) return Object.keys(SCRIPTS)
  return (below === undefined ? (command.subcommands ?? []) : []).map((sub) => sub.name)
}

function flagWords(flags: Flags, dashes: string): string[] {
  return Object.entries(flags)
    .flatMap(([name, { kind, hidden }]) => (hidden ? [] : [`${dashes}${name}${kind === 'bool' ? '' : '='}`]))
    .sort()
}

async function peerWords({ node }: Context, byAddress: boolean): Promise<readonly string[]> {
  // Where no daemon answers there is nothing to offer, and a shell's prompt is no place to say why.
  const status = await node.status().catch((error: unknown) => {
    if (error instanceof MeshError) return undefined
    throw new Error(`cannot complete ${quote('sett')}`, { cause: error })
  })
  if (status === undefined) return []
  return peersOf(status).flatMap((peer) =>
    byAddress ? [...(peer.TailscaleIPs ?? [])] : [shortName(status, peer), ...(peer.TailscaleIPs ?? []).slice(0, 1)],
  )
}
