/** `sett admin policy explain`, `diff` and `report`: what a policy means for the people and devices there are. */

import type { Command } from 'commander'
import { diffLines } from '../../../policy/diff/text.ts'
import type { PolicyDiff } from '../../../policy/diff/diff.ts'
import { explanationLines } from '../../../policy/explain/text.ts'
import type { Explanation } from '../../../policy/explain/explanation.ts'
import { reportLines } from '../../../policy/report/text.ts'
import type { PolicyReport } from '../../../policy/report/findings.ts'
import type { PolicyDiff as DiffObject } from '../../../wire/api/diff-objects.ts'
import { show } from '../context.ts'
import type { Begin } from '../context.ts'
import { readWholePolicy } from '../policy-file.ts'
import { inFile, Told } from '../policy-print.ts'
import { plain } from '../print.ts'
import type { Output } from '../print.ts'

interface ExplainOptions {
  readonly proto?: string
  readonly policy?: string
}

export function addPolicyQuestions(policy: Command, begin: Begin): void {
  policy
    .command('explain')
    .argument('<SRC>', 'who sends: a device by name, id or address, a login name, a tag, or any address')
    .argument('<DST:PORT>', 'who is sent to, and on which port: web:443, tag:db:5432, [2001:db8::1]:22')
    .description('tell why a flow is allowed or refused, and what would allow it')
    .option('--proto <NAME>', 'protocol by name or number; tcp if not given')
    .option('--policy <FILE>', 'by the policy in this file instead of the one in force')
    .addHelpText('after', '\nExit code: 0 if all of it is allowed, 1 if some of it is refused.')
    .action(async (src: string, dst: string, { proto, policy: file }: ExplainOptions) => {
      const context = begin()
      const { client, tailnet, out } = context
      const { name, text } = file === undefined ? { name: 'the policy', text: '' } : readWholePolicy(file)
      const query = { src, dst, ...(proto === undefined ? {} : { proto }) }
      const told = await inFile(context, name, () => client.explainPolicy({ tailnet, ...query, body: text }))
      await show(context, told, ({ nodes, ...explanation }) => {
        const nameOf = (node: number) => nodes[String(node)] ?? String(node)
        // The same values; the API's types only say less strictly what may be left out.
        for (const line of explanationLines(explanation as Explanation, nameOf)) out.write(`${plain(line)}\n`)
      })
      if (told.verdict !== 'allowed') throw new Told()
    })

  policy
    .command('diff <FILE>')
    .description('tell what a policy would change: flows that open (+) and close (-), logins, who sees whom')
    .action(async (file: string) => {
      const context = begin()
      const { client, tailnet } = context
      const { name, text } = readWholePolicy(file)
      const found = await inFile(context, name, () => client.diffPolicy({ tailnet, body: text }))
      await show(context, found, (found) => printDiff(context.out, found))
    })

  addReport(policy, begin)
}

function addReport(policy: Command, begin: Begin): void {
  policy
    .command('report [FILE]')
    .description('tell how much the policy in force, or one in a file, opens, and what in it does nothing')
    .action(async (file: string | undefined) => {
      const context = begin()
      const { client, tailnet, out } = context
      const { name, text } = file === undefined ? { name: 'the policy', text: '' } : readWholePolicy(file)
      const found = await inFile(context, name, () => client.reportPolicy({ tailnet, body: text }))
      await show(context, found, (found) => {
        for (const line of reportLines(found as PolicyReport)) out.write(`${plain(line)}\n`)
      })
    })
}

export function printDiff(out: Output, { nodes, ...found }: DiffObject): void {
  for (const line of diffLines(found as PolicyDiff, (node) => nodes[String(node)] ?? String(node)))
    out.write(`${plain(line)}\n`)
}
