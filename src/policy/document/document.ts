/**
 * From a policy's text to the checked policy, or the refusal with the service's message (policy.md §14). The sections
 * are read in the order in which their mistakes are reported: what declares names first, what runs with them last.
 */

import type { Bytes } from '../../base/bytes.ts'
import { HuJsonError, pack, parseInSteps, positionsIn, textFrom } from '../hujson/index.ts'
import type { HuValue } from '../hujson/index.ts'
import type { Policy } from '../policy.ts'
import { finish } from '../steps.ts'
import type { Steps } from '../steps.ts'
import { readAcls } from './acls.ts'
import { NO_APPROVERS, readAutoApprovers } from './auto-approvers.ts'
import { readGrants } from './grants.ts'
import { readGroups } from './groups.ts'
import { readHosts } from './hosts.ts'
import { readIpSets } from './ipsets.ts'
import { Names } from './names.ts'
import type { DocumentContext } from './names.ts'
import { readDerpMap, readOneCGNATRoute } from './network.ts'
import { readNodeAttrs } from './node-attrs.ts'
import { fieldNames, Part } from './part.ts'
import { readAttributeConfig, readPostures } from './postures.ts'
import { PolicyRefusal } from './refusal.ts'
import { readPostureNames } from './rule-postures.ts'
import { readSsh } from './ssh.ts'
import { readTagOwners } from './tag-owners.ts'
import { readSshTests, readTests } from './tests.ts'

const SECTIONS = fieldNames(
  'groups',
  'hosts',
  'tagOwners',
  'ipsets',
  'attrConfig',
  'postures',
  'defaultSrcPosture',
  'acls',
  'grants',
  'ssh',
  'nodeAttrs',
  'autoApprovers',
  'derpMap',
  'disableIPv4',
  'OneCGNATRoute',
  'randomizeClientPort',
  'tests',
  'sshTests',
)

const NONE: ReadonlyMap<string, never> = new Map<string, never>()

/** A text and its tree. */
export interface ParsedPolicy {
  readonly text: string
  readonly tree: HuValue
}

/**
 * @param source a text, its bytes, or a tree, whose places are then those in the text that it packs to
 * @throws PolicyRefusal
 */
export function checkPolicy(source: string | Bytes | HuValue, context: DocumentContext): Policy {
  return finish(checkPolicyInSteps(source, context))
}

/** The same in steps. */
export function* checkPolicyInSteps(source: string | Bytes | HuValue, context: DocumentContext): Steps<Policy> {
  return yield* checkParsedInSteps(yield* parsePolicyInSteps(source), context)
}

/** The first half of it, for whoever needs the tree as well. */
export function* parsePolicyInSteps(source: string | Bytes | HuValue): Steps<ParsedPolicy> {
  const text = textFrom(typeof source === 'string' || source instanceof Uint8Array ? source : pack(source))
  try {
    return { text, tree: yield* parseInSteps(text) }
  } catch (error) {
    if (!(error instanceof HuJsonError)) throw error
    throw new PolicyRefusal(error.message, { line: error.line, column: error.column }, { cause: error })
  }
}

/** The second half. */
export function* checkParsedInSteps({ text, tree }: ParsedPolicy, context: DocumentContext): Steps<Policy> {
  const sections = new Part(tree, positionsIn(text)).fields(SECTIONS)
  const section = function* <T>(
    name: Parameters<typeof sections.get>[0],
    read: (part: Part) => Steps<T>,
    absent: T,
  ): Steps<T> {
    const part = sections.get(name)
    return part === undefined ? absent : yield* read(part)
  }

  const keys = function* (part: Part): Steps<ReadonlySet<string>> {
    return new Set((yield* part.entries()).map(({ name }) => name))
  }
  const none: ReadonlySet<string> = new Set()
  const hosts = yield* section('hosts', readHosts, NONE)
  const names = new Names(
    {
      groups: yield* section('groups', keys, none),
      tags: yield* section('tagOwners', keys, none),
      ipsets: yield* section('ipsets', keys, none),
      postures: yield* section('postures', keys, none),
      hosts,
    },
    context,
  )
  const groups = yield* section('groups', (part) => readGroups(part, names), NONE)
  const tagOwners = yield* section('tagOwners', (part) => readTagOwners(part, names), NONE)
  const ipsets = yield* section('ipsets', (part) => readIpSets(part, names), NONE)
  const attrConfig = yield* section('attrConfig', readAttributeConfig, NONE)
  const postures = yield* section('postures', (part) => readPostures(part, attrConfig), NONE)

  const byDefault = yield* readPostureNames(sections.get('defaultSrcPosture'), names)
  const acls = yield* section('acls', (part) => readAcls(part, names, byDefault), undefined)
  const grants = yield* section('grants', (part) => readGrants(part, names, byDefault), undefined)
  const ssh = yield* section('ssh', (part) => readSsh(part, names, byDefault), [])
  const nodeAttrs = yield* section('nodeAttrs', (part) => readNodeAttrs(part, names), [])
  const autoApprovers = yield* section('autoApprovers', (part) => readAutoApprovers(part, names), NO_APPROVERS)

  const derpMap = yield* section('derpMap', (part) => readDerpMap(part, names), undefined)
  const oneCGNATRoute = sections.get('OneCGNATRoute')
  return {
    allowAll: acls === undefined && grants === undefined,
    rules: [...(grants ?? []), ...(acls ?? [])],
    ssh,
    groups,
    tagOwners,
    hosts,
    ipsets,
    autoApprovers,
    nodeAttrs,
    postures,
    attrConfig,
    ...(derpMap === undefined ? {} : { derpMap }),
    disableIPv4: sections.boolean('disableIPv4'),
    oneCGNATRoute: oneCGNATRoute === undefined ? '' : readOneCGNATRoute(oneCGNATRoute),
    randomizeClientPort: sections.boolean('randomizeClientPort'),
    tests: yield* section('tests', readTests, []),
    sshTests: yield* section('sshTests', (part) => readSshTests(part, { tagOwners }), []),
    warnings: names.warnings,
  }
}
