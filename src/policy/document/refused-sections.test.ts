/** What the sections that name things and set things are refused for: policy.md §14, §8 to §13. */

import { bare, table } from '../../../test/support/policy-refusals.ts'
import type { Row } from '../../../test/support/policy-refusals.ts'

bare('groups and tags', [
  [
    '{"groups": {"group:a": ["group:b"], "group:b": ["group:a"]}}',
    'groups["group:b"]: "group:a": group members cannot be recursive',
    '"group:a"',
  ],
  [
    '{"groups": {"group:a": [], "group:b": ["group:a"]}}',
    'groups["group:b"]: "group:a": group members cannot be recursive',
  ],
  ['{"groups": {"a": []}}', 'groups["a"]: a group must be named "group:" and a name without blanks and "@"', '"a"'],
  [
    '{"groups": {"group:a": ["tag:a"]}}',
    'groups["group:a"]: "tag:a": group members must be users, such as "name@example.com"',
  ],
  ['{"groups": {"group:a": [], "group:a": []}}', 'groups: "group:a" is given more than once', '"group:a"'],
  ...['сервер', '1a', '-', ' a'].map((name): Row => [
    `{"tagOwners": {"tag:${name}": []}}`,
    `tagOwners["tag:${name}"]: tag names must start with a letter, after 'tag:'`,
  ]),
  ['{"tagOwners": {"tag:": []}}', 'tagOwners["tag:"]: tag names must not be empty'],
  ['{"tagOwners": {"a": []}}', `tagOwners["a"]: tags must start with 'tag:'`],
  ['{"tagOwners": {"tag:a_b": []}}', 'tagOwners["tag:a_b"]: tag names can only contain numbers, letters, or dashes'],
  ['{"tagOwners": {"tag:a": ["tag:x"]}}', 'tagOwners["tag:a"]: tag not found: "tag:x"', '"tag:x"'],
  ['{"tagOwners": {"tag:a": ["group:x"]}}', 'tagOwners["tag:a"]: group not found: "group:x"'],
  [
    '{"tagOwners": {"tag:a": ["*"]}}',
    'tagOwners["tag:a"]: "*": tag owners must be users, groups, tags or autogroups of people',
  ],
  [
    '{"tagOwners": {"tag:a": ["autogroup:self"]}}',
    'tagOwners["tag:a"]: "autogroup:self": tag owners must be users, groups, tags or autogroups of people',
  ],
])

const HOST = 'the name of a host must not be an address, and not hold "@", ":", "/", "," or blanks'
const NESTED = 'ipsets must not be nested deeper than 100 levels'
bare('hosts and ipsets', [
  ['{"hosts": {"a@b": "10.0.0.1"}}', `hosts["a@b"]: ${HOST}`],
  ['{"hosts": {"10.0.0.1": "10.0.0.1"}}', `hosts["10.0.0.1"]: ${HOST}`],
  ['{"hosts": {"a": "b"}}', 'hosts["a"]: "b": must be an IP address or a prefix, such as "10.0.0.0/8"', '"b"'],
  [
    '{"hosts": {"a": "fe80::1%eth0"}}',
    'hosts["a"]: "fe80::1%eth0": must be an IP address or a prefix, such as "10.0.0.0/8"',
  ],
  ['{"ipsets": {"a": []}}', 'ipsets["a"]: an ipset must be named "ipset:" and a name without blanks'],
  ['{"ipsets": {"ipset:a": ["ipset:x"]}}', 'ipsets["ipset:a"]: ipset not found: "ipset:x"', '"ipset:x"'],
  ['{"ipsets": {"ipset:a": ["host:x"]}}', 'ipsets["ipset:a"]: host not found: "host:x"'],
  [
    '{"ipsets": {"ipset:a": ["tag:a"]}}',
    'ipsets["ipset:a"]: "tag:a": want an address, a prefix, a range "a-b", "host:name", "ipset:name" or "autogroup:internet"',
  ],
  [
    '{"ipsets": {"ipset:a": ["10.0.0.9-10.0.0.1"]}}',
    'ipsets["ipset:a"]: "10.0.0.9-10.0.0.1": the first address must not be behind the last, nor of another family',
  ],
  [
    '{"ipsets": {"ipset:a": ["10.0.0.9-::1"]}}',
    'ipsets["ipset:a"]: "10.0.0.9-::1": the first address must not be behind the last, nor of another family',
  ],
  [
    '{"ipsets": {"ipset:a": ["10.0.0.0/8", "remove 10.0.0.1"]}}',
    'ipsets["ipset:a"]: "10.0.0.0/8": say "add" or "remove" in every entry where one of them removes',
    '"10.0.0.0/8"',
  ],
  ['{"ipsets": {"ipset:a": ["ipset:a"]}}', 'ipsets["ipset:a"]: "ipset:a": ipsets cannot be recursive'],
  [
    '{"ipsets": {"ipset:a": ["ipset:b"], "ipset:b": ["10.0.0.1", "ipset:c"], "ipset:c": ["ipset:a"]}}',
    'ipsets["ipset:c"]: "ipset:a": ipsets cannot be recursive',
  ],
  [`{"ipsets": {${chain(101)}}}`, `ipsets["ipset:99"]: ${NESTED}`],
  [`{"ipsets": {${chain(101).split(',').reverse().join(',')}}}`, `ipsets["ipset:0"]: ${NESTED}`],
])

function chain(length: number): string {
  const sets = Array.from({ length }, (_, i) => `"ipset:${i}": [${i + 1 < length ? `"ipset:${i + 1}"` : ''}]`)
  return sets.join(',')
}

table('nodeAttrs', [
  ['"nodeAttrs": [{"target": ["%bogus%"], "attr": ["x"]}]', '"%bogus%": invalid address', '"%bogus%"'],
  ['"nodeAttrs": [{"target": ["autogroup:self"], "attr": ["x"]}]', 'internal server error'],
  ['"nodeAttrs": [{"target": ["tag:x"], "attr": ["x"]}]', 'tag not found: "tag:x"', '"tag:x"'],
  [
    '"nodeAttrs": [{"target": ["svc:web"], "attr": ["x"]}]',
    'target "svc:web" is not valid: want devices, people, tags or addresses',
  ],
  ['"nodeAttrs": [{"target": ["*"], "attr": [""]}]', 'attr values cannot be empty'],
  ...['100.100.0.0/24', '100.100.100.0/24', '100.115.92.0/23', '100.115.93.0/24'].map((pool): Row => [
    `"nodeAttrs": [{"target": ["*"], "ipPool": ["${pool}"]}]`,
    `IPPool(${pool}): network within reserved range`,
    `"${pool}"`,
  ]),
  [
    '"nodeAttrs": [{"target": ["*"], "ipPool": ["10.0.0.0/8"]}]',
    'IPPool(10.0.0.0/8): network not within 100.64.0.0/10',
  ],
  [
    '"nodeAttrs": [{"target": ["*"], "ipPool": ["100.64.0.0/9"]}]',
    'IPPool(100.64.0.0/9): network not within 100.64.0.0/10',
  ],
  ['"nodeAttrs": [{"target": ["*"], "ipPool": ["x"]}]', 'IPPool(x): want a prefix, such as "100.81.0.0/16"'],
  [connectors('"*"'), 'tailscale.com/app-connectors: connector ("*") must be a tag', '"*"'],
  [connectors('"tag:x"'), 'tag not found: "tag:x"'],
  [
    '"nodeAttrs": [{"target": ["*"], "app": {"tailscale.com/app-connectors": [{"tags": []}]}}]',
    'unknown field: "tags"',
  ],
  ['"nodeAttrs": [{"target": ["*"], "app": {"x": []}}]', 'capability name must have the form {domain}/{path}'],
])

function connectors(connector: string): string {
  return `"nodeAttrs": [{"target": ["tag:a"], "app": {"tailscale.com/app-connectors": [{"name": "a", "connectors": [${connector}], "domains": ["a.example"]}]}}]`
}

table('autoApprovers', [
  [
    '"autoApprovers": {"routes": {"10.0.0.0": ["tag:a"]}}',
    'autoApprovers.routes["10.0.0.0"]: a route must be a prefix, such as "10.0.0.0/8"',
    '"10.0.0.0"',
  ],
  ['"autoApprovers": {"routes": {"10.0.0.0/8": ["tag:x"]}}', 'tag not found: "tag:x"', '"tag:x"'],
  [
    '"autoApprovers": {"exitNode": ["*"]}',
    'autoApprovers.exitNode: "*": approvers must be users, groups, tags or autogroups',
  ],
  [
    '"autoApprovers": {"exitNode": ["srv"]}',
    'autoApprovers.exitNode: "srv": approvers must be users, groups, tags or autogroups',
  ],
  [
    '"autoApprovers": {"services": {"web": ["tag:a"]}}',
    'autoApprovers.services["web"]: want a service, such as "svc:web", or a tag',
  ],
  ['"autoApprovers": {"services": {"tag:x": ["tag:a"]}}', 'tag not found: "tag:x"'],
])

const FORMS = 'want "attribute OP value", "attribute IS SET", "attribute NOT SET" or a boolean attribute'
const LISTED = "must have a list behind it, such as ['macos', 'linux']"
bare('postures', [
  ...(
    [
      ['', `must begin with an attribute, such as "node:os"; ${FORMS}`],
      ["== 'x'", `must begin with an attribute, such as "node:os"; ${FORMS}`],
      ["node:os = 'x'", FORMS],
      ['node:os LIKE', FORMS],
      ['node:os == linux', 'must have one string in single quotes, number, true or false behind "=="'],
      ["node:os == 'a' 'b'", 'must have one string in single quotes, number, true or false behind "=="'],
      ['node:os ==', 'must have one string in single quotes, number, true or false behind "=="'],
      ['custom:a == 1.2.3', 'must have one string in single quotes, number, true or false behind "=="'],
      ["custom:a > 'b'", '">" compares numbers, and the versions of node:osVersion and node:tsVersion'],
      ["node:os IN 'x'", LISTED],
      ['node:os IN []', LISTED],
      ["node:os NOT IN ['x' 'y']", LISTED],
      ['node:os IN [1]', LISTED],
      ["custom:n == 'x'", 'attrConfig declares custom:n to be a number'],
      ['custom:n', 'attrConfig declares custom:n to be a number'],
    ] as const
  ).map(([assertion, message]): Row => [
    `{"attrConfig": {"custom:n": {"type": "number"}}, "postures": {"posture:a": ["${assertion}"]}}`,
    `postures["posture:a"]: "${assertion}": ${message}`,
    `"${assertion}"]`,
  ]),
  ['{"postures": {"posture:a": []}}', 'postures["posture:a"]: a posture must assert something'],
  ['{"postures": {"a": []}}', 'postures["a"]: a posture must be named "posture:" and a name without blanks'],
  ['{"defaultSrcPosture": ["posture:x"]}', 'defaultSrcPosture: posture not found: "posture:x"'],
  [
    '{"attrConfig": {"x": {"type": "bool"}}}',
    'attrConfig["x"]: an attribute must be "custom:" and letters, digits, "_" and ":", 128 at most',
  ],
  [
    '{"attrConfig": {"custom:a": {"type": "int"}}}',
    'attrConfig["custom:a"]: type "int" must be "string", "bool" or "number"',
    '"int"',
  ],
  ['{"attrConfig": {"custom:a": {}}}', 'attrConfig["custom:a"]: type "" must be "string", "bool" or "number"'],
  [
    '{"attrConfig": {"custom:a": {"type": "bool"}, "custom:A": {"type": "bool"}}}',
    'attrConfig["custom:A"]: differs from another attribute in letter case only',
  ],
])

const region = (rest: string): string => `{"derpMap": {"regions": {"900": {"regionID": 900, ${rest}}}}}`
bare('network', [
  ['{"OneCGNATRoute": "always"}', 'OneCGNATRoute: "always" must be "", "mac-always" or "mac-never"', '"always"'],
  [
    '{"derpMap": {"regions": {"x": null}}}',
    'derpMap.regions["x"]: a region must be a number from 1 to 2147483647',
    '"x"',
  ],
  [
    '{"derpMap": {"regions": {"2147483648": null}}}',
    'derpMap.regions["2147483648"]: a region must be a number from 1 to 2147483647',
  ],
  [region('"regionCode": "x"'), 'derpMap.regions["900"]: a region must have a node at least', '{"regionID"'],
  [region('"nodes": []'), 'derpMap.regions["900"].nodes: a region must have a node at least', '[]'],
  [region('"nodes": [{"name": "a"}]'), 'derpMap.regions["900"].nodes[0]: hostName must be given', '{"name"'],
  [region('"nodes": [{"hostName": "a"}]'), 'derpMap.regions["900"].nodes[0]: name must be given'],
  [
    region('"nodes": [{"name": "a", "hostName": "b", "regionID": 1}]'),
    'derpMap.regions["900"].nodes[0].regionID: must be 900, as the region is listed under',
  ],
  [
    region('"nodes": [{"name": "a", "hostName": "b", "derpPort": 65536}]'),
    'derpMap.regions["900"].nodes[0].derpPort: must be a whole number from 0 to 65535, not 65536',
    '65536',
  ],
  [
    region('"nodes": [{"name": "a", "hostName": "b", "stunPort": 1.5}]'),
    'derpMap.regions["900"].nodes[0].stunPort: must be a whole number from -1 to 65535, not 1.5',
  ],
  [
    region('"nodes": [{"name": "a", "hostName": "b", "ipv4": "::1"}]'),
    'derpMap.regions["900"].nodes[0].ipv4: "::1" must be an IPv4 address or "none"',
  ],
])

table('tests', [
  ['"tests": [{"src": 1}]', 'tests[0].src: must be a string, not a number'],
  ['"tests": [{"src": "a", "user": "b"}]', 'tests[0].user: "user" is the older name of "src": give one of the two'],
  [
    '"tests": [{"src": "a", "srcPostureAttrs": {"node:os": []}}]',
    'tests[0].srcPostureAttrs["node:os"]: must be a string, a number, true or false, not a list',
  ],
  [
    '"sshTests": [{"src": "a", "dst": ["autogroup:internet"]}]',
    'SSH tests dst contains disallowed element "autogroup:internet"',
    '"autogroup:internet"',
  ],
  ['"sshTests": [{"src": "a", "dst": ["10.0.0.0/8"]}]', 'SSH tests dst contains disallowed element "10.0.0.0/8"'],
  ['"sshTests": [{"src": "a", "dst": ["tag:a:22"]}]', 'SSH tests dst contains unknown tag "tag:a:22"'],
])
