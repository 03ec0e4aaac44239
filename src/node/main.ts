/**
 * `settd`, the node daemon: this version contains none. It says so, and how a machine joins instead.
 */

import { readFileSync } from 'node:fs'

const USAGE = `Usage: settd [--version] [--help]

The node daemon of Sett. This version contains none yet: machines join with the official Tailscale client,

  tailscale up --login-server URL --auth-key KEY

"sett coord" prints the whole line when it starts.
`

const [word] = process.argv.slice(2)
if (word === '--version' || word === '-V') {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  process.stdout.write(`${(JSON.parse(manifest) as { version: string }).version}\n`)
} else if (word === '--help' || word === '-h') {
  process.stdout.write(USAGE)
} else {
  process.stderr.write(
    'settd: this version of Sett contains no node daemon. Join this machine with the official Tailscale client: tailscale up --login-server URL\n',
  )
  process.exitCode = 1
}
