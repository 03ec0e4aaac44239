/**
 * Whether a text is XML as plain as any provider's SAML: elements, attributes and text, closed in order, not deep.
 *
 * Parsers and paths are slow with more: 35,000 elements in a row take them 50 seconds, 40,000 that are never closed two
 * minutes, and nobody need be anybody to send them. What SAML has no use for (comments, entities, document types) is what signatures were got around by.
 */

/** Assertions are nine deep; signatures with their certificates as well. */
const DEPTH_MAX = 40
/** Room for two thousand groups. Takes a fifth of a second at most. */
const ELEMENTS_MAX = 2500
const TAG = /<(\/?)([A-Za-z_][\w:.-]*)((?:\s+[\w:.-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>/y
const PROLOGUE = /^\uFEFF?\s*(?:<\?xml [^<>]*\?>)?\s*/
/** Character references and the five names that need no declaration. */
const REFERENCES = /&(?!(?:amp|lt|gt|quot|apos|#\d{1,7}|#x[0-9a-fA-F]{1,6});)/

/** What it has that is not plain; nothing when it is. */
export function unplainness(xml: string): string | undefined {
  if (xml.includes('<!')) return 'its XML has declarations or comments'
  if (REFERENCES.test(xml)) return 'its XML has entities'
  const open: string[] = []
  let elements = 0
  let at = PROLOGUE.exec(xml)?.[0].length ?? 0
  while (at !== -1 && at < xml.length) {
    TAG.lastIndex = at
    const tag = TAG.exec(xml)
    if (tag === null) return 'its XML is malformed'
    const [text, closes, name = '', , isEmpty] = tag
    if (closes !== '') {
      if (open.pop() !== name) return 'its XML is malformed'
    } else {
      if ((elements += 1) > ELEMENTS_MAX) return 'its XML has too many elements'
      if (isEmpty === '') open.push(name)
    }
    if (open.length > DEPTH_MAX) return 'its XML is nested too deep'
    at = xml.indexOf('<', at + text.length)
  }
  return open.length > 0 ? 'its XML is malformed' : undefined
}
