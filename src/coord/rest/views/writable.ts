/** Values of the policy layer as values of the API: the same ones, whose types say of nothing that it is read only. */

export type Writable<T> = T extends object ? { -readonly [K in keyof T]: Writable<T[K]> } : T

export function writable<T extends object>(value: T): Writable<T> {
  return value as Writable<T>
}
