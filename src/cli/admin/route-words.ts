/** Routes as people write them: prefixes between commas, and one word for the two that are the whole internet. */

import { parseList } from './words.ts'

export const EXIT_WORD = 'exit'
export const EXIT_ROUTES: readonly string[] = ['0.0.0.0/0', '::/0']

export function parseRoutes(text: string): string[] {
  return parseList(text).flatMap((item) => (item === EXIT_WORD ? EXIT_ROUTES : [item]))
}
