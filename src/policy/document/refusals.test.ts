/** What rules are refused for, with which message, and where: policy.md §14, §3 to §7. */

import { bare, table } from '../../../test/support/policy-refusals.ts'
import type { Row } from '../../../test/support/policy-refusals.ts'

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
