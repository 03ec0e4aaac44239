/**
 * The tree of a HuJSON text. It holds every byte: blanks and comments stand beside the values they surround.
 *
 *   before [ before element after , before element after , closing ] after
 *   before { before name after : before value after , … closing } after
 *
 * Without a trailing comma nothing stands between the last value and the bracket but `closing`, and the last `after`
 * is empty. Offsets count UTF-16 units of the text that was parsed; a patch leaves them as they were.
 */

export interface HuValue {
  /** Blanks and comments before the value. */
  before: string
  /** Where the value itself starts. */
  start: number
  node: HuNode
  /** Where the value itself ends: the offset after its last character. */
  end: number
  /** Blanks and comments after the value, up to the next punctuation or the end. */
  after: string
}

export type HuNode = HuLiteral | HuObject | HuArray

export interface HuLiteral {
  readonly kind: 'literal'
  /** As written: `null`, `true`, `1.0`, `"a\u0062"`. */
  readonly text: string
}

export interface HuMember {
  readonly name: HuValue
  value: HuValue
}

export interface HuObject {
  readonly kind: 'object'
  readonly members: HuMember[]
  trailingComma: boolean
  /** Blanks and comments before the closing bracket. */
  closing: string
}

export interface HuArray {
  readonly kind: 'array'
  readonly elements: HuValue[]
  trailingComma: boolean
  /** Blanks and comments before the closing bracket. */
  closing: string
}
