/** Brings the node up (node.md §9.3): asks the daemon for it, shows the link to log in at, and waits until it is there. */

import { MeshError } from '../../base/errors.ts'
import { NOTIFY, readNotify, STATE } from '../../sdk/local-client.ts'
import type { Prefs, Status } from '../../sdk/local-client-types.ts'
import { Exit } from './command.ts'
import type { Context } from './command.ts'
import { goJson } from './json-text.ts'
import { quoteList } from './go-words.ts'
import { plainly } from './no-daemon.ts'
import { areSynonyms, DEFAULT_CONTROL_URL } from './pref-flags.ts'
import { isSshFromTailnet, takeRisk, takeSshRisk } from './risks.ts'
import { planUp, prefsFromFlags, valueOrFile } from './up-prefs.ts'
import type { UpPlan, UpVerb } from './up-prefs.ts'
import { warn, warnOfHealth, warnOfRoutes } from './warnings.ts'
import { plain } from '../plain.ts'

/** How `up` and `login` differ where the command line is read. */
interface Wishes {
  readonly force: boolean
  readonly json: boolean
  /** A key, or `file:` and where it is; empty for none. */
  readonly authKey: string
  readonly risks: string
}

export async function runUp(verb: UpVerb, context: Context): Promise<void> {
  const { node, flags, args, at } = context
  if (args.length > 0) throw new MeshError('input/invalid', `too many non-flag arguments: ${quoteList(args)}`)
  const isUp = verb === 'up'
  const wishes: Wishes = {
    force: isUp && flags.bool('force-reauth'),
    json: isUp && flags.bool('json'),
    authKey: flags.text('auth-key'),
    risks: isUp ? flags.text('accept-risk') : '',
  }
  const status = await plainly(node.status())
  const wanted = prefsFromFlags(verb, flags, status, (words) => warn(at, words))
  await warnOfRoutes(at, node, wanted)
  const current = await node.prefs()
  const plan = planUp({ verb, flags, wanted, current, status, user: at.env['USER'] })
  await takeSshRisk(at, { wanted: wanted.RunSSH, had: current.RunSSH }, wishes.risks)
  if (wishes.force && isSshFromTailnet(at))
    await takeRisk(
      at,
      'lose-ssh',
      'You are connected over Tailscale; this action may result in your SSH session disconnecting.',
      wishes.risks,
    )
  if (plan.kind === 'edit') await node.editPrefs(plan.edit)
  else await bringUp(context, { plan, wishes, status, inForce: plan.kind === 'start' ? plan.prefs : current })
  await warnOfHealth(at, node)
}

interface Work {
  readonly plan: Exclude<UpPlan, { kind: 'edit' }>
  readonly wishes: Wishes
  /** As it was when we began. */
  readonly status: Status
  readonly inForce: Prefs
}

async function bringUp({ node, flags, at }: Context, work: Work): Promise<void> {
  const { plan, wishes, status } = work
  const done = new AbortController()
  const late = new AbortController()
  const signal = AbortSignal.any([at.interrupted(), late.signal, done.signal])
  try {
    // Before anything is asked for, or the link to log in at might be missed.
    const messages = await node.watchBus(NOTIFY.initialHealth, signal)
    if (plan.kind === 'resume') await node.editPrefs({ WantRunning: true, WantRunningSet: true })
    else {
      await node.checkPrefs(plan.prefs)
      const key = valueOrFile(wishes.authKey, (path) => at.readFile(path))
      await node.start({ ...(key === '' ? {} : { AuthKey: key }), UpdatePrefs: plan.prefs })
      if (wishes.force || status.HaveNodeKey !== true) await node.startLogin()
    }
    const limit = flags.number('timeout')
    if (limit > 0) void at.pause(limit, done.signal).then(() => late.abort(), ignore)
    await untilRunning(messages, { flags, at, node }, work)
  } catch (error) {
    if (late.signal.aborted)
      throw new MeshError(
        'input/invalid',
        'timeout waiting for Tailscale service to enter a Running state; check health with "sett status"',
        { cause: error },
      )
    if (signal.aborted) throw new MeshError('input/invalid', 'context canceled', { cause: error })
    throw error
  } finally {
    done.abort()
  }
}

/** The pause was cut short because there is nothing to wait for any more. */
function ignore(): void {}

async function untilRunning(
  messages: AsyncIterable<string>,
  { flags, at, node }: Pick<Context, 'flags' | 'at' | 'node'>,
  { plan, wishes, status, inForce }: Work,
): Promise<void> {
  let lastLink = ''
  let told = false
  let runs = false
  let awaitsKey = wishes.force
  /** What stands against the login, and has been told: the daemon tries on. */
  const troubles = new Set<string>()

  const tellApproval = (): void => {
    told = true
    const link = adminPage(inForce)
    if (wishes.json) at.out.write(`${goJson({ BackendState: 'NeedsMachineAuth' }, '  ')}\n`)
    else if (link !== lastLink) at.err.write(`\nTo approve your machine, visit (as admin):\n\n\t${link}\n\n`)
    lastLink = link
  }
  // Of a state that stays as it is, nobody sends word.
  if (plan.kind === 'resume' && status.BackendState === 'NeedsMachineAuth') tellApproval()

  for await (const line of messages) {
    const { ErrMessage, State, Prefs: said, SelfChange, BrowseToURL, Health, SessionID } = readNotify(line)
    if (typeof ErrMessage === 'string') {
      at.err.write(`backend error: ${plain(ErrMessage)}\n`)
      throw new Exit(1)
    }
    // What is told first is of a try before ours.
    const trouble = SessionID === undefined ? Health?.Warnings?.['login-state']?.Args?.['error'] : undefined
    if (trouble !== undefined && !troubles.has(trouble)) at.err.write(`Not connected yet: ${plain(trouble)}\n`)
    if (trouble !== undefined) troubles.add(trouble)
    if (State === STATE.needsMachineAuth) tellApproval()
    if (State === STATE.stopped || State === STATE.needsLogin || said?.WantRunning === false) await refuseStop(node)
    if (typeof State === 'number') runs = State === STATE.running
    if (SelfChange?.Key !== undefined && SelfChange.Key !== status.Self.PublicKey) awaitsKey = false
    if (runs && !awaitsKey) {
      if (wishes.json) at.out.write(`${goJson({ BackendState: 'Running' }, '  ')}\n`)
      else if (told) at.err.write('Success.\n')
      return
    }
    const isStale = wishes.force && BrowseToURL === status.AuthURL
    if (!BrowseToURL || wishes.authKey !== '' || isStale || BrowseToURL === lastLink) continue
    told = true
    lastLink = BrowseToURL
    await tellLink(BrowseToURL, { flags, at }, wishes.json ? status.BackendState : undefined)
  }
  throw new MeshError('api/unreachable', 'settd has ended before it was connected')
}

/** Throws where somebody else wants the node to be down. Word of what was before our own wish may come after it. */
async function refuseStop(node: Context['node']): Promise<void> {
  const { WantRunning, LoggedOut } = await node.prefs()
  if (WantRunning) return
  const how = LoggedOut ? 'logged out' : 'stopped'
  throw new MeshError('input/invalid', `the node was ${how} meanwhile by somebody else: run "sett up" again`)
}

/** @param state for programs; for people when it is left out */
async function tellLink(link: string, { flags, at }: Pick<Context, 'flags' | 'at'>, state?: string): Promise<void> {
  const { qrPicture, qrText } = await import('./qr.ts')
  if (state !== undefined)
    return at.out.write(`${goJson({ AuthURL: link, QR: qrPicture(link), BackendState: state }, '\t')}\n`)
  at.err.write(`\nTo authenticate, visit:\n\n\t${plain(link)}\n\n`)
  // Whoever looks at a terminal may have a telephone at hand; a log has not.
  if (flags.isGiven('qr') ? flags.bool('qr') : at.isTerminal.err)
    at.err.write(`${qrText(link, flags.text('qr-format'), at.env)}\n`)
}

/** Where the server's administrators go. */
function adminPage({ ControlURL }: Prefs): string {
  const url = ControlURL === '' ? DEFAULT_CONTROL_URL : ControlURL
  return `${areSynonyms(url, url) ? 'https://login.tailscale.com' : url}/admin`
}
