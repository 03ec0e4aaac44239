/**
 * Tailnets of teams, and policies over their groups, tags and own devices.
 *
 * Half of a team are devices of its people, two each, and half are servers with the team's tag. Four rules a team:
 * people to servers, servers among each other, people among each other, everybody to their own devices. So everybody
 * sees the whole team, by two or three rules, and nobody else, however large the tailnet is.
 */

import { checkPolicy } from '../../src/policy/document/index.ts'
import type { Policy } from '../../src/policy/policy.ts'
import type { PolicyNode, PolicyUser } from '../../src/policy/tailnet.ts'

export interface World {
  readonly nodes: readonly PolicyNode[]
  readonly policyText: string
  readonly rules: number
  readonly teams: number
}

const DOMAIN = 'bench.example'
const RULES_PER_TEAM = 4

/** As many teams as the rules come to; where there are more teams than nodes, some are empty. */
export function makeWorld(nodes: number, rules: number): World {
  const teams = Math.max(1, Math.ceil(rules / RULES_PER_TEAM))
  const perTeam = Math.ceil(nodes / teams)
  const groups = many(teams, (team) => [`group:g${team}`, many(Math.ceil(perTeam / 4), (n) => login(team, n))] as const)
  const tagOwners = many(teams, (team) => [`tag:t${team}`, []] as const)
  const grants = many(teams, teamRules).flat().slice(0, rules)
  const policy = { groups: Object.fromEntries(groups), tagOwners: Object.fromEntries(tagOwners), grants }
  return {
    nodes: many(nodes, (slot) => makeNode(slot, slot % teams, teams)),
    policyText: JSON.stringify(policy),
    rules,
    teams,
  }
}

/** What the check is told of the tailnet. */
export const NAMES = { domains: new Set([DOMAIN]), logins: new Set<string>() }

export function readPolicy({ policyText }: World): Policy {
  return checkPolicy(policyText, NAMES)
}

/** The node of a slot, as a member of some team. */
export function makeNode(slot: number, team: number, teams: number): PolicyNode {
  const n = Math.floor(slot / teams)
  const person = Math.floor(n / 4)
  return {
    slot,
    id: slot + 1,
    user: makeUser(team, person, teams),
    tags: n % 2 === 0 ? [] : [`tag:t${team}`],
    // As texts about as long for a node in a small tailnet as for one in a large one: 100.100.100.0 and on, …::1000.
    ipv4: { family: 4, value: 0x64646400n + BigInt(slot) },
    ipv6: { family: 6, value: 0xfd7a115ca1e000000000000000001000n + BigInt(slot) },
    routes: [],
    online: true,
    attributes: new Map(),
  }
}

function makeUser(team: number, person: number, teams: number): PolicyUser {
  return { id: person * teams + team + 1, login: login(team, person), role: 'member' }
}

function login(team: number, person: number): string {
  return `p${person}-t${team}@${DOMAIN}`
}

function teamRules(team: number): object[] {
  const [group, tag] = [[`group:g${team}`], [`tag:t${team}`]]
  return [
    { src: group, dst: tag, ip: ['tcp:443'] },
    { src: tag, dst: tag, ip: ['*'] },
    { src: group, dst: group, ip: ['tcp:22'] },
    { src: group, dst: ['autogroup:self'], ip: ['*'] },
  ]
}

function many<T>(count: number, make: (n: number) => T): T[] {
  return Array.from({ length: count }, (_, n) => make(n))
}
