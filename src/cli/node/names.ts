/** Names that people give a node: its host name and its tags, and what is wrong with them. */

import { MeshError } from '../../base/errors.ts'
import { quote } from './go-words.ts'

const [MAX_NAME, MAX_LABEL] = [253, 63]

/** @throws MeshError `input/invalid` with the label that is none */
export function checkHostname(text: string): void {
  const name = text.replace(/^\./, '').replace(/\.$/, '')
  if (name.length + 1 > MAX_NAME + 1) throw wrong(`${quote(name)} is too long to be a DNS name`)
  for (const label of name.split('.')) {
    if (label === '') throw wrong(name === '' ? 'empty DNS label' : `${quote(label)} is not a valid DNS label`)
    if (label.length > MAX_LABEL) throw wrong(`${quote(label)} is too long, max length is ${MAX_LABEL} bytes`)
    const is = `${quote(label)} is not a valid DNS label:`
    if (!/^[a-z0-9]/i.test(label)) throw wrong(`${is} must start with a letter or number`)
    if (!/[a-z0-9]$/i.test(label)) throw wrong(`${is} must end with a letter or number`)
    const stray = /[^a-z0-9-]/iu.exec(label)?.[0]
    if (stray !== undefined) throw wrong(`${is} contains invalid character ${quoteOne(stray)}`)
  }
}

/** A character in single quotes. */
function quoteOne(char: string): string {
  return char === "'" ? "'\\''" : char === '"' ? `'"'` : `'${quote(char).slice(1, -1)}'`
}

/** Tags between commas; `tag:` may be left out. `null` for none. @throws MeshError `input/invalid` */
export function tagsFrom(text: string): string[] | null {
  if (text === '') return null
  return text.split(',').map((word) => {
    const tag = word.includes(':') ? word : `tag:${word}`
    const name = tag.slice('tag:'.length)
    const complaint = !tag.startsWith('tag:')
      ? "tags must start with 'tag:'"
      : name === ''
        ? 'tag names must not be empty'
        : !/^[a-z]/i.test(name)
          ? "tag names must start with a letter, after 'tag:'"
          : /[^a-z0-9-]/i.test(name)
            ? 'tag names can only contain numbers, letters, or dashes'
            : undefined
    if (complaint !== undefined) throw wrong(`tag: ${quote(tag)}: ${complaint}`)
    return tag
  })
}

function wrong(message: string): MeshError {
  return new MeshError('input/invalid', message)
}
