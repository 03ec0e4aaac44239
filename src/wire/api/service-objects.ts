/** Services: names with addresses of their own that tagged devices answer at. (api-v2.md §4.11, §6.2) */

import * as z from 'zod'
import { Line } from './words.ts'

export const ServiceName = z
  .string()
  .regex(
    /^svc:[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
    'want "svc:" and a DNS label: lower-case letters, digits, inner hyphens',
  )
export const ServiceRef = z.string().min(1).max(128).meta({ description: 'A name such as `svc:web`' })

/** `tcp:443`, `tcp:8000-8100`, or `do-not-validate`. */
const Port = z.string().max(64).refine(isPort, 'want ports such as tcp:443, or do-not-validate')

function isPort(text: string): boolean {
  if (text === 'do-not-validate') return true
  const [, first = '', last = first] = /^tcp:(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? []
  return first !== '' && Number(first) >= 1 && Number(first) <= Number(last) && Number(last) <= 65535
}

const strings = z.array(z.string())

export const VipService = z
  .object({
    name: z.string(),
    addrs: strings.meta({ description: 'IPv4, then IPv6' }),
    comment: z.string(),
    annotations: z.record(z.string(), z.string()).optional(),
    ports: strings,
    tags: strings,
    displayName: z.string().optional(),
  })
  .meta({ id: 'VIPService' })
export type VipService = z.output<typeof VipService>

export const SetService = z.object({
  name: ServiceName.optional().meta({ description: 'Another one than in the path renames the Service' }),
  addrs: z
    .array(z.string().max(64))
    .max(2)
    .nullish()
    .meta({ description: 'The first is taken if it is free; none: the server chooses. They stay what they are' }),
  comment: z.string().max(4096).nullish(),
  annotations: z.record(z.string().max(512), z.string().max(32_768)).nullish(),
  ports: z.array(Port).max(256).nullish(),
  tags: z.array(z.string().max(256)).max(128).nullish(),
  displayName: Line(64).nullish(),
})
export type SetService = z.output<typeof SetService>

export const ServiceHost = z
  .object({
    stableNodeID: z.string(),
    approvalLevel: z.enum(['not-approved', 'approved:auto', 'approved:manual']),
    configured: z.string().meta({ description: 'Empty: this server does not ask devices what they serve' }),
  })
  .meta({ id: 'ServiceHost' })
export type ServiceHost = z.output<typeof ServiceHost>

export const ServiceApproval = z.object({ approved: z.boolean(), autoApproved: z.boolean() })
export type ServiceApproval = z.output<typeof ServiceApproval>
