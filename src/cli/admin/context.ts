/** What each command of `sett admin` works with, and how it finds the things that people name. */

import { Refused } from '../../sdk/client.ts'
import type { Client } from '../../sdk/client.ts'
import type { Device, User } from '../../wire/api/objects.ts'
import { isNever, plain, printJson } from './print.ts'
import type { Output } from './print.ts'

export interface Context {
  readonly client: Client
  /** As paths name it; `-` is the credential's own, or the server's first. */
  readonly tailnet: string
  readonly json: boolean
  readonly out: Output
  /** For notes beside what a script reads from `out`. */
  readonly err: Output
}

/** Makes the context once the command line is read. */
export type Begin = () => Context

/** Prints the API's value for programs, or lets `people` print it. */
export async function show<T>(
  { json, out }: Context,
  value: T,
  people: (value: T) => void | Promise<void>,
): Promise<void> {
  if (json) printJson(out, value)
  else await people(value)
}

/** Tells which times of the API are past, by the clock of the server that judges them. */
export async function pastOnServer({ client }: Context): Promise<(time: string) => boolean> {
  const { now } = await client.getStatus()
  return (time) => !isNever(time) && Date.parse(time) <= Date.parse(now)
}

/** Says on one line what was done; programs get the object as it now is, or an empty one. */
export function confirm({ json, out }: Context, words: string, value: unknown = {}): void {
  if (json) printJson(out, value)
  else out.write(`${plain(words)}\n`)
}

/** A device by nodeId, full or short name, address, or legacy id; a name of digits counts before an id that is like it. */
export async function findDevice({ client, tailnet }: Context, text: string): Promise<Device> {
  const { devices } = await client.listDevices({ tailnet, fields: 'all' })
  const named = text.toLowerCase().replace(/\.$/, '')
  const found =
    devices.find((device) => device.nodeId === text) ??
    devices.find((device) => device.name === named || device.name.split('.', 1)[0] === named) ??
    devices.find((device) => device.addresses.includes(text)) ??
    devices.find((device) => device.id === text)
  if (found === undefined)
    throw new Refused(404, { message: `No node "${text}": \`sett admin nodes list\` shows them` })
  return found
}

/** A user by login name, in any case, or by id. */
export async function findUser({ client, tailnet }: Context, text: string): Promise<User> {
  const { users } = await client.listUsers({ tailnet })
  const found =
    users.find((user) => user.loginName.toLowerCase() === text.toLowerCase()) ?? users.find((user) => user.id === text)
  if (found === undefined)
    throw new Refused(404, { message: `No user "${text}": \`sett admin users list\` shows them` })
  return found
}
