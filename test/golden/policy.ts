/**
 * `npm run golden:policy -- DIR [--only TEXT] [--limit N]`: replays every policy capture of a folder, prints each
 * difference from what the clients showed, and how many passed. Fails if any failed, and if there was none.
 */

import { existsSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { parseArgs } from 'node:util'
import { captureLines, readCapture } from './capture.ts'
import type { Capture } from './capture.ts'
import { compare } from './compare.ts'
import type { Difference } from './compare.ts'
import { EXCEPTIONS } from './exceptions.ts'
import { observe } from './observe.ts'

const DEFAULT_FOLDER = new URL('../vectors/policy', import.meta.url).pathname
/** Longest text of one side of a difference. */
const SHOWN_MAX = 300

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: 'string', default: '' }, limit: { type: 'string', default: '' } },
})

// npm runs scripts in the package's folder; a path means what it meant where npm was called.
const given = positionals[0] ?? DEFAULT_FOLDER
const folder = isAbsolute(given) ? given : join(process.env['INIT_CWD'] ?? process.cwd(), given)
if (!existsSync(folder)) throw new Error(`Cannot replay captures: there is no folder ${folder}`)

const limit = values.limit === '' ? Infinity : Number(values.limit)
let [passed, failed] = [0, 0]
for (const line of captureLines(folder)) {
  if (passed + failed >= limit) break
  const differences = await replay(line)
  if (differences === undefined) continue
  if (differences.length === 0) passed++
  else failed++
  for (const difference of differences) console.log(difference)
}
if (passed + failed === 0)
  console.log(`no captures in ${folder}${values.only === '' ? '' : ` that match ${values.only}`}`)
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed > 0 || passed === 0 ? 1 : 0

/** The differences of one capture as lines; `undefined`: it was not asked for. */
async function replay(line: string): Promise<string[] | undefined> {
  let id = '?'
  try {
    const capture = readCapture(line)
    id = capture.id
    if (!id.includes(values.only)) return undefined
    return compare(capture, await observe(capture), EXCEPTIONS).map((difference) => describe(capture, difference))
  } catch (error) {
    return [`${id}: could not be replayed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`]
  }
}

function describe(capture: Capture, { node, what, want, got }: Difference): string {
  const of = node === '' ? '' : ` ${node}:`
  return `${capture.id}:${of} ${what}\n    want ${shortened(capture, want)}\n    got  ${shortened(capture, got)}`
}

/** With machines called by their names, which are easier to tell apart than their addresses. */
function shortened({ nodes }: Capture, text: string | undefined): string {
  if (text === undefined) return 'nothing'
  let named = text
  for (const { name, ipv4, ipv6 } of nodes) {
    named = named.replaceAll(new RegExp(`(?<![\\d.])${ipv4.replaceAll('.', '\\.')}(?![\\d.])`, 'g'), name)
    named = named.replaceAll(new RegExp(`(?<![\\da-f:])${ipv6}(?![\\da-f:])`, 'g'), `${name}₆`)
  }
  return named.length > SHOWN_MAX ? `${named.slice(0, SHOWN_MAX)}…` : named
}
