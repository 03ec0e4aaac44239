/** `sett admin log stream`: where the audit log is streamed to, and how that goes. */

import { readFileSync } from 'node:fs'
import { Option } from 'commander'
import type { Command } from 'commander'
import { MeshError } from '../../../base/errors.ts'
import { DESTINATIONS } from '../../../wire/api/delivery-objects.ts'
import type { LogstreamConfig, LogType } from '../../../wire/api/delivery-objects.ts'
import { confirm, show } from '../context.ts'
import type { Begin } from '../context.ts'
import { isNever, printLines, showTime } from '../print.ts'

interface SetOptions {
  readonly to?: string
  readonly user?: string
  readonly tokenFile?: string
  readonly period?: string
  readonly compression?: 'none' | 'gzip' | 'zstd'
  readonly bucket?: string
  readonly region?: string
  readonly prefix?: string
  readonly accessKeyId?: string
}
interface Which {
  readonly network?: true
}

const NETWORK = 'the network flow log, of which this server has nothing to send'
const typeOf = ({ network }: Which): LogType => (network === true ? 'network' : 'configuration')

export function addLogStream(log: Command, begin: Begin): void {
  const stream = log.command('stream').description('send the log elsewhere as it grows: set, show, remove')
  stream
    .command('set <DESTINATION>')
    .description(`stream the log to ${DESTINATIONS.filter((name) => name !== 'gcs').join(', ')}`)
    .option(
      '--to <ADDRESS>',
      'address of the collector; of an object store that is not Amazon’s; tls://HOST:PORT of a syslog',
    )
    .option('--user <NAME>', 'user that the token belongs to, for collectors that ask for one')
    .option('--token-file <FILE>', 'file with the token, or the secret of the access key; - for standard input')
    .option('--period <MINUTES>', 'send every so many minutes; at once if not given (s3: each minute)')
    .addOption(new Option('--compression <FORMAT>', 'of what is sent').choices(['none', 'gzip', 'zstd']))
    .option('--bucket <NAME>', 's3: bucket')
    .option('--region <REGION>', 's3: region')
    .option('--prefix <TEXT>', 's3: what names of objects begin with')
    .option('--access-key-id <ID>', 's3: id of the access key')
    .option('--network', NETWORK)
    .action(async (destination: string, options: SetOptions & Which) => {
      const context = begin()
      const found = DESTINATIONS.find((name) => name === destination)
      if (found === undefined)
        throw new MeshError('config/invalid', `No destination "${destination}": want one of ${DESTINATIONS.join(', ')}`)
      const logType = typeOf(options)
      await context.client.setLogstream({ tailnet: context.tailnet, logType, body: bodyOf(found, options) })
      confirm(context, `The ${logType} log is streamed to ${found}; \`sett admin log stream show\` says how it goes`)
    })

  stream
    .command('show')
    .description('show where the log is streamed to, and how that goes')
    .option('--network', NETWORK)
    .action(async (options: Which) => {
      const context = begin()
      const { client, tailnet } = context
      const where = { tailnet, logType: typeOf(options) }
      const [config, status] = [await client.getLogstream(where), await client.getLogstreamStatus(where)]
      await show(context, { ...config, status }, () =>
        printLines(context.out, [
          ...settings(config),
          ['Entries sent', String(status.numEntriesSent)],
          ['Bytes sent', String(status.numBytesSent)],
          ['Requests', `${status.numTotalRequests}, ${status.numFailedRequests} failed`],
          ['Last sent', isNever(status.lastActivity) ? 'never' : showTime(status.lastActivity)],
          ['Last error', status.lastError],
        ]),
      )
    })

  stream
    .command('remove')
    .description('stream the log no longer')
    .option('--network', NETWORK)
    .action(async (options: Which) => {
      const context = begin()
      const logType = typeOf(options)
      await context.client.deleteLogstream({ tailnet: context.tailnet, logType })
      confirm(context, `The ${logType} log is streamed no longer`)
    })
}

function bodyOf(destinationType: LogstreamConfig['destinationType'], options: SetOptions) {
  const { to: url, user, tokenFile, period, compression, bucket, region, prefix, accessKeyId } = options
  const secret = tokenFile === undefined ? undefined : readText(tokenFile).trim()
  const isS3 = destinationType === 's3'
  if (period !== undefined && !/^\d{1,4}$/.test(period))
    throw new MeshError('config/invalid', `"${period}" is no number of minutes`)
  return {
    destinationType,
    ...(url === undefined ? {} : { url }),
    ...(user === undefined ? {} : { user }),
    ...(period === undefined ? {} : { uploadPeriodMinutes: Number(period) }),
    ...(compression === undefined ? {} : { compressionFormat: compression }),
    ...(secret === undefined ? {} : isS3 ? { s3SecretAccessKey: secret } : { token: secret }),
    ...(bucket === undefined ? {} : { s3Bucket: bucket }),
    ...(region === undefined ? {} : { s3Region: region }),
    ...(prefix === undefined ? {} : { s3KeyPrefix: prefix }),
    ...(accessKeyId === undefined ? {} : { s3AccessKeyId: accessKeyId }),
    ...(isS3 ? { s3AuthenticationType: 'accesskey' as const } : {}),
  }
}

function settings(config: LogstreamConfig): [string, string][] {
  const minutes = config.uploadPeriodMinutes ?? 0
  return [
    ['Log', config.logType],
    ['Destination', config.destinationType],
    ['URL', config.url ?? ''],
    ['User', config.user ?? ''],
    ['Bucket', config.s3Bucket ?? config.gcsBucket ?? ''],
    ['Region', config.s3Region ?? ''],
    ['Prefix', config.s3KeyPrefix ?? config.gcsKeyPrefix ?? ''],
    ['Access key', config.s3AccessKeyId ?? ''],
    ['Role', config.s3RoleArn ?? ''],
    ['Period', minutes === 0 ? '' : `${minutes} min`],
    ['Compression', config.compressionFormat ?? 'none'],
  ]
}

function readText(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8')
  } catch (cause) {
    throw new MeshError('config/invalid', `Cannot read ${file}: ${(cause as Error).message}`, { cause })
  }
}
