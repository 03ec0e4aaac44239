/**
 * Says whether two values are the same JSON, without writing either: members in any order, and an absent member the
 * same as an undefined one. For plain data only, without cycles.
 */

export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false
    return a.every((value, i) => sameJson(value, b[i]))
  }
  const [x, y] = [a as Readonly<Record<string, unknown>>, b as Readonly<Record<string, unknown>>]
  for (const name in x) if (!sameJson(x[name], Object.hasOwn(y, name) ? y[name] : undefined)) return false
  for (const name in y) if (y[name] !== undefined && !Object.hasOwn(x, name)) return false
  return true
}
