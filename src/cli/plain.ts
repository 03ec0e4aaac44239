/** Text that others chose, made fit for a terminal. Host names and the like come from clients. */

/** Text with control characters made visible, so that nothing in it can move a cursor. */
export function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\u{fffd}')
}
