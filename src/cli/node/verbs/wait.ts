/** `sett wait`: ends when the node is on its network and a program may bind to its address. */

import { MeshError } from '../../../base/errors.ts'
import { NOTIFY, readNotify, STATE } from '../../../sdk/local-client.ts'
import type { LocalClient } from '../../../sdk/local-client.ts'
import type { Command, Context } from '../command.ts'
import { duration } from '../flags.ts'
import { quoteList } from '../go-words.ts'

const [FIRST_PAUSE_MS, LAST_PAUSE_MS] = [50, 2000]

export const wait: Command = {
  name: 'wait',
  usage: 'sett wait',
  short: 'Wait for Tailscale interface/IPs to be ready for binding',
  long: `Waits until settd answers, is connected, and an interface of this machine has the node's address; with
userspace networking there is no interface, and connected is enough. Exit code 0 then, 1 when the time
is up.

A service that listens on the node's address starts well with

    sett wait && exec /path/to/service

and one that needs a certain address with \`sett wait && sett ip --assert=<address>\`.`,
  flags: { timeout: duration(0, 'how long to wait before giving up (0 means wait indefinitely)') },
  run,
}

async function run({ node, flags, args, at }: Context): Promise<void> {
  if (args.length > 0) throw new MeshError('input/invalid', `unexpected arguments: ${quoteList(args)}`)
  const limit = flags.number('timeout')
  const signal = limit > 0 ? AbortSignal.timeout(limit) : undefined
  try {
    await until(at, signal, async () => {
      await node.status(false, signal)
      return true
    })
    const ip = await connected(node, signal)
    const { TUN } = await node.status(false, signal)
    if (TUN) await until(at, signal, async () => at.hasAddress(ip))
  } catch (error) {
    if (signal?.aborted === true) throw new MeshError('input/invalid', 'context deadline exceeded', { cause: error })
    throw error
  }
}

/** Asks again and again, more and more seldom; a daemon that does not answer is one that is not there yet. */
async function until(at: Context['at'], signal: AbortSignal | undefined, isSo: () => Promise<boolean>): Promise<void> {
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(LAST_PAUSE_MS, pause * 2)) {
    try {
      if (await isSo()) return
    } catch (error) {
      if (signal?.aborted === true || !(error instanceof MeshError)) throw error
    }
    await at.pause(pause, signal)
  }
}

/** The node's first address, once it runs and has one. */
async function connected(node: LocalClient, signal: AbortSignal | undefined): Promise<string> {
  for await (const line of await node.watchBus(NOTIFY.initialState, signal)) {
    if (readNotify(line).State !== STATE.running) continue
    const [ip] = (await node.status(false, signal)).TailscaleIPs ?? []
    if (ip !== undefined) return ip
  }
  throw new MeshError('api/unreachable', 'settd has ended before it was connected')
}
