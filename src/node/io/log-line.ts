/**
 * A line of the log, whoever has chosen words in it: what answers at a server's address is quoted before anybody knows
 * who it is, and must neither begin a line of its own nor move the cursor of whoever reads.
 */

const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

/** The text with characters that nobody sees written as JSON writes them. */
export function onOneLine(text: string): string {
  return text.replace(UNSEEN, (found) => (found === '\n' ? '\\n' : `\\u{${(found.codePointAt(0) ?? 0).toString(16)}}`))
}
