/** The list under a key, for maps of lists; made empty and put there at first sight. */
export function listed<K, V>(map: Map<K, V[]>, key: K): V[] {
  let list = map.get(key)
  if (list === undefined) map.set(key, (list = []))
  return list
}
