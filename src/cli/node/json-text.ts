/**
 * Indents JSON text without reading its values: integers beyond 2^53 and the order of members stay as they were sent.
 */

/**
 * @param json one valid JSON value, with any white space
 * @param indent of one level
 * @param prefix before every line but the first
 */
export function indentJson(json: string, indent: string, prefix = ''): string {
  let out = ''
  let depth = 0
  const newLine = (): string => `\n${prefix}${indent.repeat(depth)}`
  const tokens = json.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g) ?? []
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i] as string
    const next = tokens[i + 1]
    switch (token) {
      case '{':
      case '[':
        if (next === '}' || next === ']') {
          out += token + next
          i++
        } else {
          depth++
          out += token + newLine()
        }
        break
      case '}':
      case ']':
        depth--
        out += newLine() + token
        break
      case ',':
        out += token + newLine()
        break
      case ':':
        out += ': '
        break
      default:
        out += token
    }
  }
  return out
}

/** A value as JSON, with characters that mean something to HTML escaped as Go does. */
export function goJson(value: unknown, indent: string): string {
  return JSON.stringify(value, null, indent).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
