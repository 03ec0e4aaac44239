/** `sett admin policy`: who may reach what in a tailnet: shown, checked, saved, and taken back. */

import { Option } from 'commander'
import type { Command } from 'commander'
import { MeshError } from '../../../base/errors.ts'
import type { Proposed } from '../../../wire/api/policy-objects.ts'
import { confirm, show } from '../context.ts'
import type { Begin, Context } from '../context.ts'
import { formatPolicy, readPolicy, readWholePolicy, tagOf, writePolicy } from '../policy-file.ts'
import { inFile, printCheck, printPreview, Told } from '../policy-print.ts'
import { printJson, printTable, showTime } from '../print.ts'
import { parseNumber } from '../words.ts'
import { addPolicyQuestions, printDiff } from './policy-questions.ts'

interface SetOptions {
  readonly comment?: string
  readonly ifMatch?: string
  readonly force?: true
}

export function addPolicy(admin: Command, begin: Begin): void {
  const policy = admin
    .command('policy')
    .description('who may reach what: get, set, check, test, fmt, history, rollback, preview, explain, …')

  policy
    .command('get')
    .description('print the policy that is in force, with its comments')
    .addOption(new Option('--version <N>', 'an earlier version, by its number').argParser(parseNumber))
    .action(async ({ version }: { version?: string }) => {
      const context = begin()
      const { client, tailnet, json, out } = context
      const found =
        version === undefined
          ? await client.getPolicy({ tailnet })
          : await client.getPolicyVersion({ tailnet, version })
      if (json) printJson(out, found)
      else out.write(found.text)
    })

  policy
    .command('set <FILE>')
    .description('replace the policy by the one in a file, or - for standard input; its own tests have to pass')
    .option('--comment <TEXT>', 'why; kept with the version')
    .addOption(new Option('--if-match <ETAG>', 'only if the policy in force has this tag').conflicts('force'))
    .option('--force', 'even if somebody else changes it meanwhile')
    .action(async (file: string, { comment, ifMatch, force }: SetOptions) => {
      const context = begin()
      const { client, tailnet } = context
      const { name, text } = readPolicy(file)
      if (text.trim() === '')
        throw new MeshError(
          'config/invalid',
          `${name} is empty; to put the default policy back, use \`sett admin policy reset\``,
        )
      const before = await client.getPolicy({ tailnet })
      const expected = ifMatch ?? (force === true ? undefined : before.etag)
      const saved = await inFile(context, name, () =>
        unlessLost(
          client.setPolicy({
            tailnet,
            body: text,
            ...(comment === undefined ? {} : { comment }),
            ...(expected === undefined ? {} : { headers: { 'if-match': expected } }),
          }),
        ),
      )
      if ('proposal' in saved) return confirmProposed(context, saved)
      const same = saved.etag === before.etag
      confirm(context, same ? 'The policy is this one already' : `Saved, ${saved.etag}`, saved)
    })

  policy
    .command('reset')
    .description('put the default policy back, in which every device reaches every other')
    .option('--comment <TEXT>', 'why; kept with the version')
    .action(async ({ comment }: { comment?: string }) => {
      const context = begin()
      const { client, tailnet } = context
      const saved = await unlessLost(
        client.setPolicy({ tailnet, body: '', ...(comment === undefined ? {} : { comment }) }),
      )
      if ('proposal' in saved) return confirmProposed(context, saved)
      confirm(context, 'The default policy is in force', saved)
    })

  for (const [verb, what] of [
    ['check', 'check the policy in a file and run its tests, without saving it'],
    ['test', 'run the tests of the policy in force, or of one in a file'],
  ] as const)
    policy
      .command(verb === 'check' ? 'check <FILE>' : 'test [FILE]')
      .description(what)
      .action(async (file: string | undefined) => {
        const context = begin()
        const { client, tailnet } = context
        const { name, text } = file === undefined ? { name: 'the policy in force', text: '' } : readPolicy(file)
        // Without a text the server would check the policy in force instead.
        const body = file === undefined ? '' : text.trim() === '' ? '/**/' : text
        const report = await inFile(context, name, () => client.checkPolicy({ tailnet, body }))
        await show(context, report, (report) => printCheck(context.out, name, report))
        if (report.message !== undefined) throw new Told()
      })

  policy
    .command('fmt <FILE>')
    .description('print a policy as it is laid out when it is saved; asks no server')
    .option('-w, --write', 'change the file instead')
    .option('--check', 'say nothing, and fail if it would change')
    .action(async (file: string, { write, check }: { write?: true; check?: true }) => {
      const { name, text } = readPolicy(file)
      const formatted = formatPolicy(name, text)
      const { out, err, json } = begin()
      if (json) printJson(out, { text: formatted, etag: tagOf(formatted), changed: formatted !== text })
      else if (write !== true && check !== true) out.write(formatted)
      if (check === true && formatted !== text) {
        err.write(`${name} is laid out otherwise: \`sett admin policy fmt ${file} -w\` puts that right\n`)
        throw new Told()
      }
      if (write === true && formatted !== text) writePolicy(file, formatted)
    })

  policy
    .command('history')
    .description('list the versions: when, by whom and why')
    .action(async () => {
      const context = begin()
      const reply = await context.client.listPolicyVersions({ tailnet: context.tailnet })
      await show(context, reply, ({ versions }) =>
        printTable(
          context.out,
          ['VERSION', 'SAVED', 'BY', 'APPROVED BY', 'BYTES', 'NOTES', 'COMMENT'],
          versions.map(({ version, created, by, approvedBy = '', size, isReset, isCurrent, comment }) => [
            String(version),
            showTime(created),
            by,
            approvedBy,
            String(size),
            [...(isCurrent ? ['in force'] : []), ...(isReset ? ['default'] : [])].join(', '),
            comment,
          ]),
          'The policy was never changed from the default.',
        ),
      )
    })

  policy
    .command('rollback')
    .argument('<N>', 'the number of the version', parseNumber)
    .description('put an earlier version back, as a new one; its tests have to pass now')
    .option('--comment <TEXT>', 'why; kept with the version')
    .action(async (version: string, { comment }: { comment?: string }) => {
      const context = begin()
      const { client, tailnet } = context
      const body = comment === undefined ? {} : { comment }
      const done = await inFile(context, `version ${version}`, () =>
        unlessLost(client.rollbackPolicy({ tailnet, version, body })),
      )
      if ('proposal' in done) return confirmProposed(context, done)
      const { version: now } = done
      confirm(
        context,
        String(now.version) === version
          ? `Version ${version} is in force already`
          : `Version ${version} is in force again, as version ${now.version}`,
        done,
      )
    })

  policy
    .command('preview <FILE>')
    .description('show which rules of a policy count for a user, or for an address and port')
    .addOption(new Option('--user <LOGIN>', 'whom the rules name').conflicts('ipport'))
    .option('--ipport <IP:PORT>', 'what the rules lead to, such as 100.64.0.1:22')
    .action(async (file: string, { user, ipport }: { user?: string; ipport?: string }) => {
      const context = begin()
      const { client, tailnet } = context
      const previewFor = user ?? ipport
      if (previewFor === undefined) throw new MeshError('config/invalid', 'Want --user or --ipport')
      const { name, text } = readWholePolicy(file)
      const type = user === undefined ? 'ipport' : 'user'
      const preview = await inFile(context, name, () => client.previewPolicy({ tailnet, type, previewFor, body: text }))
      await show(context, preview, (preview) => printPreview(context.out, name, preview))
    })

  addProposals(policy, begin)
  addPolicyQuestions(policy, begin)
}

function addProposals(policy: Command, begin: Begin): void {
  policy
    .command('proposals')
    .argument('[ID]', 'the number of the proposal', parseNumber)
    .description('list the policies that wait for another administrator, or print one')
    .option('--diff', 'tell what it was found to change instead of its text')
    .action(async (proposal: string | undefined, { diff }: { diff?: true }) => {
      const context = begin()
      const { client, tailnet, json, out } = context
      if (proposal !== undefined) {
        const found = await client.getPolicyProposal({ tailnet, proposal })
        return show(context, found, ({ text, diff: change }) =>
          diff === true && change !== undefined ? printDiff(context.out, change) : context.out.write(text),
        )
      }
      const listed = await client.listPolicyProposals({ tailnet })
      const { proposals } = listed
      await show(context, listed, () =>
        printTable(
          context.out,
          ['ID', 'PROPOSED', 'BY', 'STATE', 'DECIDED BY', 'COMMENT', 'REASON'],
          proposals.map(({ id, created, by, state, isStale, decidedBy = '', comment, reason = '' }) => [
            id,
            showTime(created),
            by,
            isStale === true ? `${state}, stale` : state,
            decidedBy,
            comment,
            reason,
          ]),
          'No policy waits for approval.',
        ),
      )
      if (!json && proposals.some(({ isStale }) => isStale === true))
        out.write(
          'Stale: the policy has changed since; whoever proposed it proposes it again, or a rejection ends it.\n',
        )
    })

  policy
    .command('approve')
    .argument('<ID>', 'the number of the proposal', parseNumber)
    .description('let somebody else’s proposal come into force; it is checked again')
    .action(async (proposal: string) => {
      const context = begin()
      const { client, tailnet } = context
      const done = await inFile(context, `proposal ${proposal}`, () =>
        unlessLost(client.approvePolicyProposal({ tailnet, proposal })),
      )
      confirm(context, `Proposal ${proposal} is in force, as version ${done.version.version}`, done)
    })

  policy
    .command('reject')
    .argument('<ID>', 'the number of the proposal', parseNumber)
    .description('turn somebody else’s proposal down')
    .option('--reason <TEXT>', 'what its author is told', '')
    .action(async (proposal: string, { reason }: { reason: string }) => {
      const context = begin()
      const { client, tailnet } = context
      const done = await client.rejectPolicyProposal({ tailnet, proposal, body: { reason } })
      confirm(context, `Proposal ${proposal} is rejected`, done)
    })
}

/** What was sent may have been done, though its answer did not come. */
async function unlessLost<T>(saving: Promise<T>): Promise<T> {
  try {
    return await saving
  } catch (cause) {
    if (!(cause instanceof MeshError) || cause.code !== 'api/unreachable') throw cause
    const hint = 'the policy may have been saved all the same: `sett admin policy history` tells'
    throw new MeshError('api/unreachable', `${cause.message}; ${hint}`, { cause })
  }
}

function confirmProposed(context: Context, proposed: Proposed): void {
  confirm(context, proposed.message, proposed)
}
