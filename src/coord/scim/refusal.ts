/** Why a SCIM request is refused, in the words of RFC 7644 §3.12. Thrown where it is found, and caught in one place. */

export type ScimType =
  | 'invalidFilter'
  | 'tooMany'
  | 'uniqueness'
  | 'mutability'
  | 'invalidSyntax'
  | 'invalidPath'
  | 'noTarget'
  | 'invalidValue'

export class ScimRefusal extends Error {
  readonly status: number
  readonly scimType: ScimType | undefined

  /** @param detail a sentence for whoever reads the directory's log */
  constructor(status: number, detail: string, scimType?: ScimType) {
    super(detail)
    this.status = status
    this.scimType = scimType
  }
}

export function invalid(detail: string, scimType: ScimType = 'invalidValue'): ScimRefusal {
  return new ScimRefusal(400, detail, scimType)
}

/** What somebody sent, short enough for an answer and a log. */
export function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 64))
}
