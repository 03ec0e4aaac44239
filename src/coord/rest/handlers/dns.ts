/** Answers the routes about a tailnet's DNS. */

import type { dnsRoutes } from '../../../wire/api/routes/dns.ts'
import { dnsOf } from '../../model/dns.ts'
import { done } from '../answer.ts'
import type { Handlers } from '../call.ts'
import {
  addRecord,
  addZone,
  changeDns,
  deleteRecords,
  deleteZone,
  withConfiguration,
  withLegacyConfig,
  withNameservers,
  withPatch,
  withSearchPaths,
  withSplit,
} from '../changes/dns.ts'
import { addressesOf, viewConfiguration, viewDns, viewLegacyConfig, viewSplit } from '../views/dns.ts'

export const dnsHandlers: Handlers<keyof typeof dnsRoutes> = {
  getNameservers: ({ at }) => done({ dns: addressesOf(dnsOf(at.tailnet).nameservers) }),
  setNameservers: ({ change }, { body }) =>
    change((at) =>
      changeDns(
        at,
        (before) => withNameservers(before, body.dns ?? []),
        ({ nameservers, magicDNS }) => ({ dns: addressesOf(nameservers), magicDNS }),
      ),
    ),

  getDnsPreferences: ({ at }) => done({ magicDNS: dnsOf(at.tailnet).magicDNS }),
  setDnsPreferences: ({ change }, { body: { magicDNS } }) =>
    change((at) =>
      changeDns(
        at,
        (before) => done({ ...before, magicDNS }),
        () => ({ magicDNS }),
      ),
    ),

  getSearchPaths: ({ at }) => done({ searchPaths: [...dnsOf(at.tailnet).searchPaths] }),
  setSearchPaths: ({ change }, { body }) =>
    change((at) =>
      changeDns(
        at,
        (before) => withSearchPaths(before, body.searchPaths ?? []),
        ({ searchPaths }) => ({ searchPaths: [...searchPaths] }),
      ),
    ),

  getSplitDns: ({ at }) => done(viewSplit(dnsOf(at.tailnet))),
  patchSplitDns: ({ change }, { body }) =>
    change((at) => changeDns(at, (before) => withSplit(before, body, true), viewSplit)),
  setSplitDns: ({ change }, { body }) =>
    change((at) => changeDns(at, (before) => withSplit(before, body, false), viewSplit)),

  getDnsConfiguration: ({ at }) => done(viewConfiguration(dnsOf(at.tailnet))),
  setDnsConfiguration: ({ change }, { body }) =>
    change((at) => changeDns(at, (before) => withConfiguration(before, body), viewConfiguration)),
  getLegacyDnsConfig: ({ at }) => done(viewLegacyConfig(dnsOf(at.tailnet))),
  setLegacyDnsConfig: ({ change }, { body }) =>
    change((at) => changeDns(at, (before) => withLegacyConfig(before, body), viewLegacyConfig)),

  getDns: ({ at }) => done(viewDns(at.record, dnsOf(at.tailnet))),
  patchDns: ({ change }, { body }) =>
    change((at) =>
      changeDns(
        at,
        (before) => withPatch(before, body, at.record.domain),
        (after) => viewDns(at.record, after),
      ),
    ),
  addDnsRecord: ({ change }, { body }) => change((at) => addRecord(at, body)),
  deleteDnsRecords: ({ change }, { query }) => change((at) => deleteRecords(at, query.name, query.value)),
  addDnsZone: ({ change }, { body }) => change((at) => addZone(at, body.zone)),
  deleteDnsZone: ({ change }, { query }) => change((at) => deleteZone(at, query.zone)),
}
