/**
 * From a policy's text to the checked policy, or the refusal with the service's message (policy.md §14). The sections
 * are read in the order in which their mistakes are reported: what declares names first, what runs with them last.
 */

import type { Bytes } from '../../base/bytes.ts'
import { HuJsonError, pack, parse, positionsIn, textFrom } from '../hujson/index.ts'
import type { HuValue } from '../hujson/index.ts'
import type { Policy } from '../policy.ts'
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

/**
 * @param source a text, its bytes, or a tree, whose places are then those in the text that it packs to
 * @throws PolicyRefusal
 */
export function checkPolicy(source: string | Bytes | HuValue, context: DocumentContext): Policy {
  const sections = readText(source).fields(SECTIONS)
  const section = <T>(name: Parameters<typeof sections.get>[0], read: (part: Part) => T, absent: T): T => {
    const part = sections.get(name)
    return part === undefined ? absent : read(part)
  }

  const keys = (part: Part): ReadonlySet<string> => new Set(part.entries().map(({ name }) => name))
  const none: ReadonlySet<string> = new Set()
  const hosts = section('hosts', readHosts, NONE)
  const names = new Names(
    {
      groups: section('groups', keys, none),
      tags: section('tagOwners', keys, none),
      ipsets: section('ipsets', keys, none),
      postures: section('postures', keys, none),
      hosts,
    },
    context,
  )
  const groups = section('groups', (part) => readGroups(part, names), NONE)
  const tagOwners = section('tagOwners', (part) => readTagOwners(part, names), NONE)
  const ipsets = section('ipsets', (part) => readIpSets(part, names), NONE)
  const attrConfig = section('attrConfig', readAttributeConfig, NONE)
  const postures = section('postures', (part) => readPostures(part, attrConfig), NONE)

  const byDefault = readPostureNames(sections.get('defaultSrcPosture'), names)
  const acls = section('acls', (part) => readAcls(part, names, byDefault), undefined)
  const grants = section('grants', (part) => readGrants(part, names, byDefault), undefined)
  const ssh = section('ssh', (part) => readSsh(part, names, byDefault), [])
  const nodeAttrs = section('nodeAttrs', (part) => readNodeAttrs(part, names), [])
  const autoApprovers = section('autoApprovers', (part) => readAutoApprovers(part, names), NO_APPROVERS)

  const derpMap = section('derpMap', readDerpMap, undefined)
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
    oneCGNATRoute: section('OneCGNATRoute', readOneCGNATRoute, ''),
    randomizeClientPort: sections.boolean('randomizeClientPort'),
    tests: section('tests', readTests, []),
    sshTests: section('sshTests', (part) => readSshTests(part, { tagOwners }), []),
    warnings: names.warnings,
  }
}

function readText(source: string | Bytes | HuValue): Part {
  const text = textFrom(typeof source === 'string' || source instanceof Uint8Array ? source : pack(source))
  try {
    return new Part(parse(text), positionsIn(text))
  } catch (error) {
    if (!(error instanceof HuJsonError)) throw error
    throw new PolicyRefusal(error.message, { line: error.line, column: error.column }, { cause: error })
  }
}
