/** Codes at the end of links that somebody opens who is asked something: is this your device, is this your login. */

import type { Dice } from '../../base/bytes.ts'

const ALPHABET = 'abcdefghjkmnpqrstuvwxyz123456789'

/** 16 characters of 5 bits: 80 bits that nobody guesses in the minutes that a code is good for. */
export function newCode(dice: Dice): string {
  return [...dice(16)].map((byte) => ALPHABET[byte & 31]).join('')
}
