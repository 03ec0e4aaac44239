/** Policies in files: read, laid out, written back. `-` is standard input. */

import { createHash } from 'node:crypto'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { MeshError } from '../../base/errors.ts'
import { format, HuJsonError, parse } from '../../policy/hujson/index.ts'

export interface PolicyFile {
  /** As messages call it. */
  readonly name: string
  readonly text: string
}

/** @throws MeshError `config/invalid` */
export function readPolicy(file: string): PolicyFile {
  const name = file === '-' ? 'standard input' : file
  try {
    // File descriptor 0 takes pipes and terminals alike.
    const bytes = readFileSync(file === '-' ? 0 : file)
    return { name, text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) }
  } catch (cause) {
    throw new MeshError('config/invalid', `Cannot read ${name}: ${(cause as Error).message}`, { cause })
  }
}

/**
 * A policy that a question is about: without a text, the server would answer by the one in force instead.
 *
 * @throws MeshError `input/invalid` where there is none in the file
 */
export function readWholePolicy(file: string): PolicyFile {
  const read = readPolicy(file)
  if (read.text.trim() !== '') return read
  throw new MeshError('input/invalid', `${read.name} is empty: there is no policy in it`)
}

/** @throws MeshError `input/invalid` with the place of the mistake */
export function formatPolicy(name: string, text: string): string {
  try {
    // Servers pass over the mark that some editors put first, and keep none.
    return format(parse(text.replace(/^\u{feff}/u, '')))
  } catch (error) {
    if (!(error instanceof HuJsonError)) throw error
    throw new MeshError('input/invalid', `${name}:${error.line}:${error.column}: ${error.fact}`, { cause: error })
  }
}

/** The tag that a server gives a policy of this text. */
export function tagOf(formatted: string): string {
  return `"${createHash('sha256').update(formatted).digest('hex')}"`
}

/** Puts the text in the file's place all at once, so that it is never cut short. */
export function writePolicy(file: string, text: string): void {
  if (file === '-') throw new MeshError('config/invalid', 'Standard input cannot be written to: leave --write away')
  const next = `${file}.${process.pid}.new`
  try {
    writeFileSync(next, text)
    renameSync(next, file)
  } catch (cause) {
    throw new MeshError('config/invalid', `Cannot write ${file}: ${(cause as Error).message}`, { cause })
  }
}
