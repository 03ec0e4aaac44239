import { test } from 'node:test'
import assert from 'node:assert/strict'
import { checkPolicy } from '../../policy/document/index.ts'
import type { DerpMap } from '../../wire/derp-map.ts'
import { DerpMaps } from './derp-maps.ts'

const region = (id: number) => ({ RegionID: id, RegionCode: `r${id}`, RegionName: `R${id}`, Nodes: [] })
const OWN: DerpMap = {
  HomeParams: { RegionScore: { '901': 100 } },
  Regions: { '900': region(900), '901': region(901) },
}

const own = {
  regionID: 910,
  regionCode: 'lab',
  regionName: 'Lab',
  nodes: [{ name: '910a', regionID: 910, hostName: 'relay.lab.example' }],
}
const rows = [
  { name: 'nothing said', derpMap: undefined, want: ['900', '901'] },
  { name: 'a region more', derpMap: { regions: { 910: own } }, want: ['900', '901', '910'] },
  { name: 'one taken away', derpMap: { regions: { 901: null } }, want: ['900'] },
  { name: 'only its own', derpMap: { omitDefaultRegions: true, regions: { 910: own } }, want: ['910'] },
]
for (const { name, derpMap, want } of rows)
  test(`relays by policy: ${name}`, () => {
    const policy = checkPolicy(JSON.stringify({ derpMap }), { domains: new Set(), logins: new Set() })
    const maps = new DerpMaps(OWN)
    const { Regions, HomeParams } = JSON.parse(maps.text(policy.derpMap)) as DerpMap
    assert.deepEqual(Object.keys(Regions), want)
    assert.deepEqual(HomeParams, OWN.HomeParams)
    if (Regions['910'] !== undefined) assert.equal(Regions['910'].Nodes[0]?.HostName, 'relay.lab.example')
    assert.equal(maps.text(policy.derpMap), maps.text(policy.derpMap))
  })
