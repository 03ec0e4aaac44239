/** `sett admin nodes attributes`: what postures ask of a device, beyond what it reports itself. */

import { Argument, Option } from 'commander'
import type { Command } from 'commander'
import { MeshError } from '../../../base/errors.ts'
import type { PostureAttributes } from '../../../wire/api/objects.ts'
import { findDevice, show } from '../context.ts'
import type { Begin, Context } from '../context.ts'
import { printTable, showTime } from '../print.ts'
import { parseDuration } from '../words.ts'

const TYPES = ['string', 'number', 'bool'] as const

interface Options {
  readonly expiry?: number
  readonly type?: (typeof TYPES)[number]
}

export function addAttributes(nodes: Command, begin: Begin): void {
  nodes
    .command('attributes <NODE>')
    .description('show the posture attributes of a device, or set or delete one of your own')
    .addArgument(new Argument('[VERB]', 'what to do with one').choices(['set', 'delete']))
    .argument('[KEY]', 'which: custom: and letters, digits, _ or :')
    .argument('[VALUE]', 'true, false, a number, or a text')
    .option('--expiry <TIME>', 'how long it is to hold, such as 12h or 30d; for good if not given', parseDuration)
    .addOption(new Option('--type <TYPE>', 'what the value is, where it might be another').choices([...TYPES]))
    .action(
      async (
        name: string,
        verb: string | undefined,
        key: string | undefined,
        value: string | undefined,
        options: Options,
      ) => {
        const wanted = verb === 'set' ? readValue(key, value, options) : undefined
        if (verb === 'delete' && (key === undefined || value !== undefined))
          throw new MeshError('config/invalid', 'Want the attribute to delete: nodes attributes NODE delete KEY')
        if (verb !== 'set' && (options.expiry !== undefined || options.type !== undefined))
          throw new MeshError('config/invalid', '--expiry and --type are for `set`')
        const context = begin()
        const { client } = context
        const { nodeId: deviceId } = await findDevice(context, name)
        if (verb === 'set' && key !== undefined && wanted !== undefined) {
          const expiry = await expiryOf(context, options.expiry)
          await client.setDeviceAttribute({ deviceId, key, body: { value: wanted, ...expiry } })
        }
        if (verb === 'delete' && key !== undefined) await client.deleteDeviceAttribute({ deviceId, key })
        await show(context, await client.getDeviceAttributes({ deviceId }), ({ attributes, expiries }) =>
          printTable(
            context.out,
            ['ATTRIBUTE', 'VALUE', 'EXPIRES'],
            Object.entries(attributes).map(([key, value]) => [key, String(value), showTime(expiries[key]) || 'never']),
            'It has no attributes.',
          ),
        )
      },
    )
}

/** On one line, for whoever looks at the device as a whole. */
export function attributesText({ attributes, expiries }: PostureAttributes): string {
  return Object.entries(attributes)
    .map(([key, value]) => `${key}=${value}${expiries[key] === undefined ? '' : ` (until ${showTime(expiries[key])})`}`)
    .join(', ')
}

function readValue(key: string | undefined, text: string | undefined, { type }: Options): string | number | boolean {
  if (key === undefined || text === undefined)
    throw new MeshError('config/invalid', 'Want an attribute and its value: nodes attributes NODE set KEY VALUE')
  const isBool = text === 'true' || text === 'false'
  const isNumber = /^-?\d+(\.\d+)?(e[-+]?\d+)?$/i.test(text)
  if ((type === 'bool' && !isBool) || (type === 'number' && !isNumber))
    throw new MeshError('config/invalid', `"${text}" is no ${type}`)
  if (isBool && type !== 'string') return text === 'true'
  return isNumber && type !== 'string' ? Number(text) : text
}

/** By the clock of the server, which judges it. */
async function expiryOf({ client }: Context, seconds: number | undefined): Promise<{ readonly expiry?: string }> {
  if (seconds === undefined) return {}
  const { now } = await client.getStatus()
  return { expiry: new Date(Date.parse(now) + seconds * 1000).toISOString().replace(/\.\d+Z$/, 'Z') }
}
