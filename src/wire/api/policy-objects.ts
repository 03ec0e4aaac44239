/** The objects of policies: what validating and previewing answer, versions, proposals. (api-v2.md §5, and Sett's own) */

import * as z from 'zod'
import { Place, Problem } from './objects.ts'
import { Time } from './words.ts'

const strings = z.array(z.string())

/** A policy's text, as the typed client has it; over the wire its text and its ETag. */
export const PolicyText = z.object({
  text: z.string().meta({ description: 'HuJSON, formatted' }),
  etag: z.string().meta({ description: 'SHA-256 of the text in hex, in quotes; `If-Match` takes it' }),
})
export type PolicyText = z.infer<typeof PolicyText>

/** Empty when all is well; else like an error. */
export const Verdict = Problem.partial({ message: true }).meta({ id: 'Verdict' })
export type Verdict = z.infer<typeof Verdict>

export const PreviewMatch = z
  .object({
    users: strings.meta({ description: 'Sources of the rule, as written' }),
    ports: strings.meta({ description: 'What they reach by it: target:ports' }),
    lineNumber: z.number().int().meta({ description: 'Of the rule, in the text sent' }),
    via: strings.optional(),
    postures: strings.optional().meta({ description: 'One of these has to be met' }),
  })
  .meta({ id: 'PreviewMatch' })

export const Preview = z
  .object({
    matches: z.array(PreviewMatch),
    type: z.enum(['user', 'ipport']),
    previewFor: z.string(),
    postures: z.record(z.string(), strings).optional().meta({ description: 'What the postures ask for' }),
  })
  .meta({ id: 'Preview' })
export type Preview = z.infer<typeof Preview>

export const PolicyVersion = z
  .object({
    version: z.number().int(),
    created: Time,
    by: z.string().meta({ description: 'Login name, or id of the token; `server` for the server’s administrator' }),
    approvedBy: z.string().optional(),
    comment: z.string(),
    etag: z.string(),
    size: z.number().int().meta({ description: 'Bytes of the text' }),
    isReset: z.boolean().meta({ description: 'It is the default policy, put back' }),
    isCurrent: z.boolean(),
  })
  .meta({ id: 'PolicyVersion' })
export type PolicyVersion = z.infer<typeof PolicyVersion>

/** A policy that waits for another administrator. */
export const PolicyProposal = z
  .object({
    id: z.string(),
    created: Time,
    by: z.string(),
    comment: z.string(),
    base: z.number().int().meta({ description: 'Version in force when it was proposed; 0: the default' }),
    etag: z.string(),
    size: z.number().int(),
    isReset: z.boolean(),
    state: z.enum(['waiting', 'approved', 'rejected', 'superseded']),
    isStale: z
      .boolean()
      .optional()
      .meta({ description: 'It waits in vain: the policy has changed since, so that it has to be proposed again' }),
    decidedBy: z.string().optional(),
    decided: Time.optional(),
    reason: z.string().optional(),
    version: z.number().int().optional().meta({ description: 'As which it came into force' }),
  })
  .meta({ id: 'PolicyProposal' })
export type PolicyProposal = z.infer<typeof PolicyProposal>

/** Instead of a policy that is in force now, where another administrator has to approve it first. */
export const Proposed = z.object({ message: z.string(), proposal: PolicyProposal }).meta({ id: 'Proposed' })
export type Proposed = z.infer<typeof Proposed>

export const CheckReport = z
  .object({
    message: z.string().optional().meta({ description: 'Absent: the policy may be saved' }),
    at: Place.optional(),
    tests: z.number().int().meta({ description: 'How many were run' }),
    failures: z.array(z.object({ user: z.string(), errors: strings, at: Place })),
    warnings: z.array(z.object({ about: z.string(), text: z.string(), at: Place })),
  })
  .meta({ id: 'CheckReport' })
export type CheckReport = z.infer<typeof CheckReport>
