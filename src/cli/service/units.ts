/**
 * The texts that make a node and a server services of systemd. Pure: the same place gives the same text, so that what
 * is installed can be compared.
 *
 * Both get as little as they can do with. What a node needs more than a server: to change routes, addresses and
 * firewall (CAP_NET_ADMIN, the kernel's own settings), raw packets for pings (CAP_NET_RAW), and the TUN device.
 */

export interface Place {
  /** Folder of `sett` and `settd`. */
  readonly bin: string
  /** Folder of the Node that runs them. */
  readonly node: string
}

export interface ServiceFile {
  /** Where it belongs. */
  readonly path: string
  readonly text: string
  /** Its owner's to change: it is written once, and left when it was changed. */
  readonly isSettings: boolean
}

export interface Service {
  /** `settd.service` */
  readonly unit: string
  readonly files: readonly ServiceFile[]
}

/** By this we know what we have written. */
export const MARK =
  '# Written by "sett service install", which replaces it. Changes belong into a drop-in: systemctl edit'

/** What is asked of systemd for either: nothing that a program of ours ever needs. */
const LOCKED = `NoNewPrivileges=yes
ProtectSystem=strict
ProtectControlGroups=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectClock=yes
ProtectHostname=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
UMask=0077`

export function nodeService(place: Place): Service {
  const settd = `${place.bin}/settd --statedir=/var/lib/settd --socket=/run/sett/settd.sock --port=\${PORT} $FLAGS`
  const unit = `${MARK} settd
[Unit]
Description=Sett node
Wants=network-pre.target
After=network-pre.target NetworkManager.service systemd-networkd.service systemd-resolved.service
# A node that can't start may be how its machine is reached: it is never given up.
StartLimitIntervalSec=0

[Service]
Type=notify
Environment=PORT=41641 FLAGS=
Environment=${searchPath(place)} XDG_CACHE_HOME=/var/cache/settd
EnvironmentFile=-/etc/default/settd
ExecStart=${settd}
# After an end as asked, nothing stays on this machine. One that crashed is started again and takes over what it finds:
# what it had closed stays closed meanwhile, so that nothing leaks past an exit node.
ExecStopPost=/bin/sh -c 'case "$$SERVICE_RESULT" in success|timeout) exec "$$@" ;; esac' sh ${settd} --cleanup
Restart=on-failure
RestartSec=1s
TimeoutStopSec=20s
StateDirectory=settd
StateDirectoryMode=0700
CacheDirectory=settd
RuntimeDirectory=sett
RuntimeDirectoryMode=0755
CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW
DevicePolicy=closed
DeviceAllow=/dev/net/tun rw
${homes(place)}
${LOCKED}

[Install]
WantedBy=multi-user.target
`
  const settings = `# Of settd, the Sett node. "systemctl restart settd" makes changes count.
# UDP port for packets of other nodes; 0: any
PORT=41641
# Further flags; see settd --help
FLAGS=
`
  return {
    unit: 'settd.service',
    files: [
      { path: '/etc/systemd/system/settd.service', text: unit, isSettings: false },
      { path: '/etc/default/settd', text: settings, isSettings: true },
    ],
  }
}

export function serverService(place: Place): Service {
  const unit = `${MARK} sett
[Unit]
Description=Sett coordination server
Wants=network-online.target
After=network-online.target postgresql.service

[Service]
Type=notify
User=sett
Environment=SETT_DATA=/var/lib/sett
Environment=${searchPath(place)} XDG_CACHE_HOME=/var/cache/sett
EnvironmentFile=-/etc/default/sett
ExecStart=${place.bin}/sett coord
Restart=on-failure
RestartSec=1s
# A database may be brought to a newer form first.
TimeoutStartSec=10min
TimeoutStopSec=20s
StateDirectory=sett
StateDirectoryMode=0700
CacheDirectory=sett
# For ports below 1024, such as 443.
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectProc=invisible
${homes(place)}
${LOCKED}

[Install]
WantedBy=multi-user.target
`
  const settings = `# Of the Sett coordination server, as variables: --listen is SETT_LISTEN. See sett coord --help.
# "systemctl restart sett" makes changes count.
#SETT_URL=https://sett.example.com
#SETT_LISTEN=:443
# A certificate that is obtained by itself (TCP 80 or 443 must get here from the internet), or two files: CERT,KEY
#SETT_TLS=acme
#SETT_DATABASE=postgres://USER:PASSWORD@HOST/NAME
`
  const user = `${MARK} sett
u sett - "Sett coordination server" /var/lib/sett
`
  return {
    unit: 'sett.service',
    files: [
      { path: '/etc/systemd/system/sett.service', text: unit, isSettings: false },
      { path: '/etc/sysusers.d/sett.conf', text: user, isSettings: false },
      { path: '/etc/default/sett', text: settings, isSettings: true },
    ],
  }
}

/** Services are given a short one, and Node may be elsewhere. */
function searchPath({ node }: Place): string {
  return `"PATH=${[...new Set([node, '/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'])].join(':')}"`
}

/** Where people keep things is none of a service's business, unless it lies there itself. */
function homes({ bin, node }: Place): string {
  const isIn = (folder: string): boolean => [bin, node].some((each) => each.startsWith(folder))
  const home = ['/home/', '/root/', '/run/user/'].some(isIn) ? 'read-only' : 'yes'
  return `ProtectHome=${home}${['/tmp/', '/var/tmp/'].some(isIn) ? '' : '\nPrivateTmp=yes'}`
}
