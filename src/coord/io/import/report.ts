/** What is told after an import, or before one: what was brought, what was not, what is next. */

import { join } from 'node:path'
import { keyState } from '../../model/credentials.ts'
import { TailnetState } from '../../model/model.ts'
import type { User } from '../../model/records.ts'
import { wall } from '../clocks.ts'
import type { Bringing, Brought } from './bring.ts'

/** @param url where Headscale's clients go */
export function reportOf(brought: Brought, bringing: Bringing, url: string | undefined): string {
  const { tailnet, imported, serverKey, version, policyTests, notes } = brought
  const { users, nodes, keys, policy } = imported
  const owner = users.find(({ role }) => role === 'owner') as User
  const now = wall()
  const expired = nodes.filter(({ keyExpiry }) => keyExpiry !== undefined && keyExpiry <= now).length
  const known = users.length - (bringing.owner === undefined ? 1 : 0)
  const did = bringing.dryRun ? 'Would bring over' : 'Brought over'
  const lines = [
    `${did} from ${bringing.source}${version === undefined ? '' : ` (Headscale ${version})`}:`,
    '',
    `  tailnet     ${tailnet.name}, whose names end in ${tailnet.domain}; owner ${owner.loginName}`,
    `  users       ${known}, with their numbers`,
    `  nodes       ${nodes.length}, with their keys, addresses and names${expired === 0 ? '' : `; ${counted(expired, 'has', 'have')} to log in, as before`}`,
    `  keys        ${keys.length}, of which ${usable(brought)} let machines in`,
    `  policy      ${policy === undefined ? 'none: the default policy, which allows everything' : `${Buffer.byteLength(policy.text)} bytes, as they were${policyTests === 0 ? '' : `; its ${policyTests} tests pass`}`}`,
    `  server key  ${serverKey}`,
  ]
  if (notes.length > 0) lines.push('', 'Not as it was, or worth a look:', '', ...notes.map((note) => `  - ${note}`))
  return `${[...lines, '', ...nextSteps(bringing, url)].join('\n')}\n`
}

function nextSteps({ dryRun, data, database }: Bringing, url: string | undefined): string[] {
  if (dryRun) return ['Nothing was changed. Without --dry-run it happens.']
  const elsewhere = database !== `sqlite:${join(data, 'sett.db')}`
  return [
    'Next: start the server where its clients look for it, and leave Headscale stopped:',
    '',
    `  sett coord --data ${data}${elsewhere ? ' --database URL' : ''} --url ${url ?? "URL (Headscale's server_url)"}`,
  ]
}

function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`
}

function usable({ imported: { keys, users }, tailnet }: Brought): number {
  const state = new TailnetState(tailnet.num)
  for (const user of users) state.put({ kind: 'user', id: String(user.id), value: user }, 1)
  const now = wall()
  return keys.filter((key) => keyState(state, key, now) === 'valid').length
}
