/**
 * Structured logs: an event and its fields, as JSON lines for programs or as plain lines for people.
 *
 * Secrets have types that do not print. What reaches a line as text all the same, such as a key inside another
 * program's error message, is masked before it is written.
 */

import { destination, pino } from 'pino'
import type { Logger as Pino } from 'pino'
import type { LogFormat, LogLevel } from './config/options.ts'

export type Fields = { readonly [name: string]: unknown }

export interface Log {
  trace(event: string, fields?: Fields): void
  debug(event: string, fields?: Fields): void
  info(event: string, fields?: Fields): void
  warn(event: string, fields?: Fields): void
  error(event: string, fields?: Fields): void
}

export interface LogSink {
  write(line: string): void
}

/** Auth keys and tokens behind their ID, private keys, passwords in URLs: `tskey-auth-ID-` stays readable. */
const SECRETS = /((?:ts|hs)key-[a-z]+-[A-Za-z0-9]+-|privkey:|nlpriv:)[A-Za-z0-9]{8,}|(:\/\/[^\s/:@"]*:)[^\s/@"]+(?=@)/g

export function maskSecrets(line: string): string {
  return line.replace(SECRETS, (_, key: string | undefined, url: string | undefined) => `${key ?? url ?? ''}[masked]`)
}

/** Bytes of log lines kept while whoever reads them does not: more are dropped, the server goes on. */
const MAX_BACKLOG = 4 * 1024 * 1024

/** Writes to standard error without ever waiting for it; `flush` before the process ends. */
export function stderrSink(): LogSink & { flush(): void } {
  const stream = destination({ fd: 2, sync: false, maxLength: MAX_BACKLOG })
  // A closed pipe is the reader's business.
  stream.on('error', () => undefined)
  return {
    write: (line) => void stream.write(line),
    flush() {
      try {
        stream.flushSync()
      } catch {
        // Not opened yet, or nobody reads any more.
      }
    },
  }
}

export function createLog(options: { level: LogLevel; format: LogFormat; sink: LogSink }): Log {
  const { sink } = options
  const write = options.format === 'json' ? escapeUnseen : plainLine
  const logger = pino(
    {
      level: options.level,
      base: null,
      messageKey: 'event',
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: errorFields },
    },
    { write: (line: string) => sink.write(write(maskSecrets(line))) },
  )
  return over(logger)
}

function over(logger: Pino): Log {
  const at = (level: LogLevel) => (event: string, fields?: Fields) => {
    if (logger.isLevelEnabled(level)) logger[level](fields ?? {}, event)
  }
  return { trace: at('trace'), debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

/** An error with its causes, as fields: stacks only for what nobody expected. */
function errorFields(error: unknown): unknown {
  if (!(error instanceof Error)) return String(error)
  const code = (error as { code?: unknown }).code
  return {
    message: error.message,
    ...(code === undefined ? {} : { code }),
    ...(error.name === 'MeshError' ? {} : { stack: error.stack }),
    ...(error.cause === undefined ? {} : { cause: errorFields(error.cause) }),
  }
}

/** `06:12:01.123 info  listening address=0.0.0.0:8080`, and the rest of an error below it. */
function plainLine(json: string): string {
  const { level, time, event, ...fields } = JSON.parse(json) as { [name: string]: unknown }
  const words: string[] = []
  let below = ''
  for (const [name, value] of Object.entries(fields)) {
    if (name === 'err' && typeof value === 'object' && value !== null) {
      const { message, stack, ...more } = value as { [name: string]: unknown }
      words.push(`error=${word(message)}`)
      for (const [key, extra] of Object.entries(more)) words.push(`${key}=${word(extra)}`)
      if (typeof stack === 'string') below = `${stack.replace(/^/gm, '    ')}\n`
    } else words.push(`${name}=${word(value)}`)
  }
  return `${String(time)} ${String(level).padEnd(5)} ${String(event)}${words.map((w) => ` ${w}`).join('')}\n${below}`
}

/** A value that can't be mistaken for the next field: bare if it is plain, as JSON otherwise. */
function word(value: unknown): string {
  return typeof value === 'string' && /^[^\s"=\p{C}]+$/u.test(value) ? value : escapeUnseen(JSON.stringify(value))
}

/**
 * What JSON leaves as it is and a terminal would act on or not show: the second set of control characters, marks
 * that turn the direction of writing, joiners.
 */
const UNSEEN = /[\p{C}\p{Zl}\p{Zp}]/gu

/** The same JSON, with escapes for them. Line ends that part one record from the next stay. */
function escapeUnseen(json: string): string {
  return json.replace(UNSEEN, (char) =>
    char === '\n'
      ? char
      : Array.from({ length: char.length }, (_, i) => `\\u${char.charCodeAt(i).toString(16).padStart(4, '0')}`).join(
          '',
        ),
  )
}
