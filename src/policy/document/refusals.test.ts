/** What is refused, with which message, and where: every row of policy.md §14, and what each section refuses beside it. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkPolicy, PolicyRefusal } from './index.ts'

/** Has everything that the rows refer to; each row is spliced in before it. */
const GROUND = `
  "groups": {"group:a": ["odin@example.com"], "group:none": []},
  "tagOwners": {"tag:a": ["odin@example.com"], "tag:b": ["tag:a", "group:a"]},
  "hosts": {"srv": "100.64.0.1", "net": "10.0.0.0/8"},
  "ipsets": {"ipset:a": ["10.0.0.0/8"]},
  "postures": {"posture:a": ["node:os == 'linux'"]},
}`
const context = { domains: new Set(['example.com']), logins: new Set(['odin@example.com']) }

function refusal(text: string): PolicyRefusal {
  try {
    checkPolicy(text, context)
  } catch (error) {
    assert.ok(error instanceof PolicyRefusal, String(error))
    return error
  }
  throw new assert.AssertionError({ message: `taken: ${text}` })
}

type Row = readonly [written: string, message: string, at?: string]

/** The place is that of the first character of `at`, of the last text like it before the ground. */
function check(rows: readonly Row[], wrap: (written: string) => string): void {
  for (const [written, message, at] of rows) {
    const whole = wrap(written)
    const refused = refusal(whole)
    assert.equal(refused.message, message, written)
    assert.equal(refused.status, message === 'internal server error' ? 500 : 400, written)
    assert.ok(refused.at !== undefined, `no place: ${written}`)
    if (at === undefined) continue
    const offset = whole.indexOf(written) + written.lastIndexOf(at)
    const line = whole.slice(0, offset).split('\n').length
    const column = offset - whole.lastIndexOf('\n', offset - 1)
    assert.deepEqual(refused.at, { line, column }, written)
  }
}

function table(name: string, rows: readonly Row[], wrap = (written: string) => `{\n  ${written},${GROUND}`): void {
  test(name, () => check(rows, wrap))
}

/** The same for what stands by itself. */
function bare(name: string, rows: readonly Row[]): void {
  table(name, rows, (written) => written)
}

const SELF = 'autogroup:self can only be used with users, groups, or supported autogroups'
const acl = (rest: string): string => `"acls": [{"action": "accept", ${rest}}]`
const grant = (rest: string): string => `"grants": [{${rest}}]`
const ssh = (rest: string): string => `"ssh": [{"src": ["autogroup:member"], "dst": ["tag:a"], ${rest}}]`

bare('texts that are no object', [
  ['', 'hujson: line 1, column 1: parsing value: unexpected EOF'],
  ['{"acls": [}', "hujson: line 1, column 11: invalid character '}' at start of value"],
  ['{} // no newline', 'hujson: line 1, column 4: parsing comment: unexpected EOF'],
  ['[]', 'must be an object, not a list'],
  ['null', 'must be an object, not null'],
  ['"x"', 'must be an object, not a string'],
])

table('fields', [
  ['"aclz": []', 'unknown field: "aclz"', '"aclz"'],
  [grant('"src": ["*"], "dst": ["*"], "ip": ["*"], "ports": []'), 'unknown field: "ports"', '"ports"'],
  ['"__proto__": {}', 'unknown field: "__proto__"'],
  ['"acls": [], "ACLs": []', '"ACLs" is given more than once', '"ACLs"'],
  [grant('"src": ["*"], "Src": []'), 'grants[0]: "Src" is given more than once', '"Src"'],
  ['"acls": {}', 'acls: must be a list, not an object', '{}'],
  ['"acls": [1]', 'acls[0]: must be an object, not a number', '1'],
  ['"grants": [{"ip": ["*"], "src": "*"}]', 'grants[0].src: must be a list, not a string', '"*"'],
  ['"grants": [{"ip": ["*"], "src": [true]}]', 'grants[0].src[0]: must be a string, not true', 'true'],
  ['"disableIPv4": 1', 'disableIPv4: must be true or false, not a number'],
  ['"randomizeClientPort": "yes"', 'randomizeClientPort: must be true or false, not a string'],
])

table('sources of rules', [
  [acl('"src": ["tag:x"], "dst": ["tag:a:22"]'), 'src=tag not found: "tag:x"', '"tag:x"'],
  [grant('"src": ["tag:x"], "dst": ["*"], "ip": ["*"]'), 'src=tag not found: "tag:x"', '"tag:x"'],
  [acl('"src": ["group:x"], "dst": ["*:*"]'), 'src=group not found: "group:x"', '"group:x"'],
  [acl('"src": ["ipset:x"], "dst": ["*:*"]'), 'src=ipset not found: "ipset:x"'],
  [acl('"src": ["autogroup:x"], "dst": ["*:*"]'), 'src=autogroup not found: "autogroup:x"'],
  [acl('"src": ["nobody"], "dst": ["*:*"]'), 'src="nobody": invalid address'],
  [acl('"src": [""], "dst": ["*:*"]'), 'src="": invalid address'],
  [acl('"src": ["10.0.0.0/33"], "dst": ["*:*"]'), 'src="10.0.0.0/33": invalid address'],
  [acl('"src": ["autogroup:self"], "dst": ["tag:a:22"]'), '"autogroup:self" not valid on the src side of a rule'],
  [acl('"src": ["autogroup:internet"], "dst": ["*:*"]'), '"autogroup:internet" not valid on the src side of a rule'],
  [grant('"src": ["svc:web"], "dst": ["*"], "ip": ["*"]'), '"svc:web" not valid on the src side of a rule'],
  [
    acl('"src": ["user:*@example.org"], "dst": ["*:*"]'),
    'example.org is not associated with this Tailnet and cannot be used in user:*@<domain> expressions',
    '"user:',
  ],
  [
    acl('"src": ["user:o*@example.com"], "dst": ["*:*"]'),
    'src="user:o*@example.com": must have the form user:*@<domain>',
  ],
  [
    acl('"src": ["posture:a"], "dst": ["*:*"]'),
    'src="posture:a": a posture can only be named in srcPosture and defaultSrcPosture',
  ],
  [
    acl('"src": ["autogroup:member", "autogroup:members"], "dst": ["*:*"]'),
    '"autogroup:member" and "autogroup:members" can not both be used: give one of the two',
    '"autogroup:members"',
  ],
])

table('destinations of rules', [
  [acl('"src": ["*"], "dst": ["tag:x:22"]'), 'dst="tag:x": tag not found: "tag:x"', '"tag:x:22"'],
  [grant('"src": ["*"], "dst": ["tag:x"], "ip": ["*"]'), 'dst="tag:x": tag not found: "tag:x"'],
  [grant('"src": ["*"], "dst": ["who"], "ip": ["*"]'), 'dst="who": "who": invalid address'],
  [
    grant('"src": ["*"], "dst": ["0.0.0.0/0"], "ip": ["*"]'),
    'dst "0.0.0.0/0": to allow all IP addresses, use "*" or "autogroup:internet"',
  ],
  [acl('"src": ["*"], "dst": ["::/0:*"]'), 'dst "::/0": to allow all IP addresses, use "*" or "autogroup:internet"'],
  [acl('"src": ["*"], "dst": ["autogroup:danger-all:*"]'), 'cannot use autogroup:danger-all as a dst'],
  [grant('"src": ["*"], "dst": ["autogroup:danger-all"], "ip": ["*"]'), 'cannot use autogroup:danger-all as a dst'],
  [acl('"src": ["*"], "dst": ["autogroup:shared:*"]'), '"autogroup:shared" not valid on the dst side of a rule'],
  [
    grant('"src": ["*"], "dst": ["svc:web.one"], "ip": ["*"]'),
    'dst="svc:web.one": "svc:web.one": must be "svc:" and one name of letters, digits and "-"',
  ],
])

table('autogroup:self', [
  [grant('"src": ["*"], "dst": ["autogroup:self"], "ip": ["*"]'), SELF, '"autogroup:self"'],
  ...['tag:a', 'autogroup:tagged', 'srv', '100.64.0.1', 'ipset:a', 'autogroup:shared', 'autogroup:danger-all'].flatMap(
    (source): Row[] => [
      [acl(`"src": ["autogroup:member", "${source}"], "dst": ["autogroup:self:*"]`), SELF],
      [grant(`"src": ["${source}"], "dst": ["tag:a", "autogroup:self"], "ip": ["*"]`), SELF],
    ],
  ),
  [
    ssh('"src": ["tag:a"]').replace(
      '"src": ["autogroup:member"], "dst": ["tag:a"]',
      '"action": "accept", "dst": ["autogroup:self"], "users": ["root"]',
    ),
    SELF,
  ],
])

table('acls', [
  ['"acls": [{"action": "deny", "src": ["*"], "dst": ["*:*"]}]', 'action="deny" is not supported', '"deny"'],
  ['"acls": [{"src": ["*"], "dst": ["*:*"]}]', 'action="" is not supported', '{"src"'],
  [acl('"src": ["*"], "dst": ["autogroup:self"]'), 'dst="autogroup:self": port range "self": invalid first integer'],
  [
    acl('"src": ["*"], "dst": ["tag:a:ssh"]'),
    'dst="tag:a:ssh": port range "ssh": invalid first integer',
    '"tag:a:ssh"',
  ],
  [acl('"src": ["*"], "dst": ["tag:a:22,ssh"]'), 'dst="tag:a:22,ssh": port range "ssh": invalid first integer'],
  [
    acl('"src": ["*"], "dst": ["srv"]'),
    'dst="srv": ports are missing: want "target:ports", such as "server:22" or "server:*"',
  ],
  [acl('"src": ["*"], "dst": ["srv:"]'), 'dst="srv:": invalid port list: ""'],
  [
    acl('"src": ["*"], "dst": ["srv:0"]'),
    `dst="srv:0": port range "0": first port must be >0, or use '*' for wildcard`,
  ],
  [acl('"src": ["*"], "dst": ["srv:65536"]'), 'dst="srv:65536": port range "65536": invalid first integer'],
  [acl('"src": ["*"], "dst": ["srv:1-65536"]'), 'dst="srv:1-65536": port range "1-65536": invalid last integer'],
  [acl('"src": ["*"], "dst": ["srv:1-2-3"]'), 'dst="srv:1-2-3": port range "1-2-3": too many dashes(-)'],
  [acl('"src": ["*"], "dst": ["srv:9-8"]'), 'dst="srv:9-8": port range "9-8": first port must be <= last port'],
  [
    acl('"src": ["*"], "dst": ["srv:22"], "proto": "icmp"'),
    'dst="srv:22": proto "icmp" has no ports: use "*" for the port',
  ],
  [acl('"src": ["*"], "dst": ["srv:*"], "proto": "06"'), 'leading 0 not permitted in protocol number', '"06"'],
  ...['*', '0', '256', 'tpc', '-1'].map((proto): Row => [
    acl(`"src": ["*"], "dst": ["srv:*"], "proto": "${proto}"`),
    `proto name "${proto}" not known; use protocol number 0-255 or protocol name (icmp, tcp, udp, etc.)`,
  ]),
  [
    acl('"src": ["*"], "users": ["*"], "dst": ["*:*"]'),
    'acls[0].users: "users" is the older name of "src": give one of the two',
  ],
  [
    acl('"src": ["*"], "ports": ["*:*"], "dst": ["*:*"]'),
    'acls[0].ports: "ports" is the older name of "dst": give one of the two',
  ],
])

table('grants', [
  [grant('"src": ["*"], "dst": ["*"]'), 'ip and app can not both be empty', '{"src"'],
  [grant('"src": ["*"], "dst": ["*"], "ip": []'), 'ip and app can not both be empty'],
  [grant('"src": ["*"], "dst": ["*"], "app": {}'), 'ip and app can not both be empty'],
  [grant('"src": ["*"], "dst": ["*"], "ip": ["icmp"]'), 'port range "icmp": invalid first integer', '"icmp"'],
  [
    grant('"src": ["*"], "dst": ["*"], "ip": ["tcp:0"]'),
    `port range "0": first port must be >0, or use '*' for wildcard`,
  ],
  [grant('"src": ["*"], "dst": ["*"], "ip": ["tcp:80,443"]'), 'port range "80,443": invalid first integer'],
  [grant('"src": ["*"], "dst": ["*"], "ip": [""]'), 'empty string'],
  [grant('"src": ["*"], "dst": ["*"], "ip": [":80"]'), 'empty protocol'],
  [grant('"src": ["*"], "dst": ["*"], "ip": ["gre:80"]'), 'proto "gre" has no ports: use "*" for the port'],
  [
    grant('"src": ["*"], "dst": ["*"], "ip": ["foo:80"]'),
    'proto name "foo" not known; use protocol number 0-255 or protocol name (icmp, tcp, udp, etc.)',
  ],
  ...['https://tailscale.com/cap/ingress', 'ingress', '/cap', 'example.com/', 'exa mple.com/x'].map((name): Row => [
    grant(`"src": ["*"], "dst": ["*"], "app": {"${name}": [{}]}`),
    'capability name must have the form {domain}/{path}',
    `"${name}"`,
  ]),
  ...['relay-target', 'funnel', 'ingress', 'drive-sharer', '__proto__'].map((name): Row => [
    grant(`"src": ["*"], "dst": ["*"], "app": {"tailscale.com/cap/${name}": [{}]}`),
    'capability name must not be in the tailscale.com domain',
  ]),
  [grant('"src": ["*"], "dst": ["*"], "app": {"a.b/c": {}}'), 'grants[0].app["a.b/c"]: must be a list, not an object'],
  [
    grant('"src": ["*"], "dst": ["*"], "app": {"a.b/c": [1e999]}'),
    'grants[0].app["a.b/c"][0]: 1e999 is too large a number',
  ],
  [
    grant('"src": ["*"], "dst": ["*"], "app": {"a.b/c": [], "a.b/c": []}'),
    'grants[0].app: "a.b/c" is given more than once',
  ],
  [
    grant('"src": ["*"], "dst": ["autogroup:internet"], "ip": ["*"], "app": {"a.b/c": []}'),
    'cannot use app grants with autogroup:internet',
  ],
  [grant('"src": ["*"], "dst": ["*"], "ip": ["*"], "via": ["tag:a", "tag:x"]'), 'tag "tag:x" not found', '"tag:x"'],
  [grant('"src": ["*"], "dst": ["*"], "ip": ["*"], "via": ["group:a"]'), 'via can only be a tag', '"group:a"'],
  [
    grant('"src": ["*"], "dst": ["*"], "ip": ["*"], "srcPosture": ["posture:x"]'),
    'grants[0].srcPosture: posture not found: "posture:x"',
  ],
  [
    grant('"src": ["*"], "dst": ["*"], "ip": ["*"], "srcPosture": ["a"]'),
    'grants[0].srcPosture: "a" must be the name of a posture, "posture:…"',
  ],
])

table('ssh', [
  [ssh('"users": ["root"]'), 'action must be specified', '{"src"'],
  [ssh('"users": ["root"], "action": " "'), 'action must be specified', '" "'],
  ...['deny', 'Accept', 'ACCEPT'].map((action): Row => [
    ssh(`"users": ["root"], "action": "${action}"`),
    `"${action}" is not a valid action`,
    `"${action}"`,
  ]),
  [ssh('"action": "accept"'), 'users must be specified', '{"src"'],
  [ssh('"action": "accept", "users": []'), 'users must be specified', '[]'],
  [ssh('"action": "accept", "users": ["root", ""]'), 'user "" is not valid', '""'],
  [ssh('"action": "accept", "users": ["*"]'), 'user "*" is not valid', '"*"'],
  ...['example.org', 'EXAMPLE.COM', '*', 'a@example.com'].map((domain): Row => [
    ssh(`"action": "accept", "users": ["localpart:*@${domain}"]`),
    `${domain} is not associated with this Tailnet and cannot be used in user:*@<domain> expressions`,
    '"localpart',
  ]),
  ...(
    [
      ['168h0m1s', 'checkPeriod 168h0m1s is above the max (168h)'],
      ['10081m', 'checkPeriod 168h1m0s is above the max (168h)'],
      ['-1m', 'checkPeriod -1m0s must be a positive duration'],
      ['-1.5ms', 'checkPeriod -1.5ms must be a positive duration'],
      ['abc', 'time: invalid duration "abc"'],
      ['', 'time: invalid duration ""'],
      ['5', 'time: missing unit in duration "5"'],
      ['1d', 'time: unknown unit "d" in duration "1d"'],
      ['.s', 'time: invalid duration ".s"'],
      ['99999999999h', 'time: invalid duration "99999999999h"'],
    ] as const
  ).map(([period, message]): Row => [
    ssh(`"action": "check", "users": ["root"], "checkPeriod": "${period}"`),
    message,
    `"${period}"`,
  ]),
  [ssh('"action": "check", "users": ["root"], "checkPeriod": 5'), 'ssh[0].checkPeriod: must be a string, not a number'],
  [ssh('"action": "accept", "users": ["root"], "acceptEnv": ["A", ""]'), 'acceptEnv values cannot be empty', '""'],
  [ssh('"action": "accept", "users": ["root"], "recorder": ["tag:x"]'), 'tag not found: "tag:x"'],
  [ssh('"action": "accept", "users": ["root"], "recorder": ["srv"]'), 'recorder "srv" must be a tag'],
])

table('sources and destinations of ssh', [
  ...(
    [
      ['tag:x', 'tag not found: "tag:x"'],
      ['group:x', 'group not found: "group:x"'],
      [
        'user:*@example.org',
        '[ssh] example.org is not associated with this Tailnet and cannot be used in user:*@<domain> expressions',
      ],
      ['autogroup:self', '"autogroup:self" not valid on the src side of a rule'],
      ['*', 'invalid src "*"'],
      ['srv', 'invalid src "srv"'],
      ['100.64.0.1', 'invalid src "100.64.0.1"'],
      ['autogroup:danger-all', 'invalid src "autogroup:danger-all"'],
    ] as const
  ).map(([source, message]): Row => [
    `"ssh": [{"action": "accept", "users": ["root"], "dst": ["tag:a"], "src": ["${source}"]}]`,
    message,
    `"${source}"`,
  ]),
  ...(
    [
      ['tag:x', 'tag not found: "tag:x"'],
      ...[
        'srv',
        'net',
        '100.64.0.1',
        '10.0.0.0/8',
        '*',
        'group:a',
        'autogroup:member',
        'autogroup:internet',
        'nobody',
        'svc:web',
      ].map((dst) => [dst, `invalid dst "${dst}"`] as const),
      ['odin@example.com', 'invalid dst "odin@example.com"'],
      ['user:*@example.com', 'invalid dst "user:*@example.com"'],
    ] as const
  ).map(([dst, message]): Row => [
    `"ssh": [{"action": "accept", "users": ["root"], "src": ["autogroup:member"], "dst": ["${dst}"]}]`,
    message,
    `"${dst}"`,
  ]),
  [
    '"ssh": [{"action": "accept", "users": ["root"], "src": ["odin@example.com", "tag:a"], "dst": ["odin@example.com"]}]',
    'invalid dst "odin@example.com"',
  ],
])

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
