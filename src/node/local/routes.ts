/**
 * Every endpoint of the local API, with its methods and what it asks of its caller (node.md §9): a line each, so that
 * what anybody may do can be read here, and tested from here.
 */

import * as change from './handlers-change.ts'
import * as debug from './handlers-debug.ts'
import type { Handler } from './exchange.ts'
import { refusal } from './exchange.ts'
import { ping } from './handlers-ping.ts'
import * as read from './handlers-read.ts'
import type { Need } from './rights.ts'

export interface Route {
  /** Behind `/localapi/v0/`; one that ends with a slash takes whatever follows. */
  readonly path: string
  /** `any`: which method is used makes no difference. */
  readonly methods: readonly string[] | 'any'
  readonly needs: Need
  readonly handle: Handler
}

const GET = ['GET', 'HEAD']
const POST = ['POST']

const route = (path: string, methods: Route['methods'], needs: Need, handle: Handler): Route => ({
  path,
  methods,
  needs,
  handle,
})

/** What official daemons have and this version has not: said by its name, to those who might use it. */
const unbuilt = (path: string, what: string, needs: Need = 'write'): Route =>
  route(path, 'any', needs, () => refusal(501, `${what} is not part of this version of Sett`))

export const ROUTES: readonly Route[] = [
  route('status', 'any', 'read', read.status),
  route('whois', 'any', 'read', read.whois),
  route('watch-ipn-bus', GET, 'read', read.watchBus),
  route('derpmap', GET, 'read', read.derpMap),
  route('dns-config', GET, 'read', read.dnsConfig),
  route('cert-domains', GET, 'read', read.certDomains),
  route('peer-by-id', GET, 'read', read.peerById),
  route('user-profile', GET, 'read', read.userProfile),
  route('usermetrics', GET, 'nothing', read.userMetrics),
  route('tka/status', GET, 'read', read.lockStatus),
  route('check-ip-forwarding', GET, 'read', read.ipForwarding),
  route('check-udp-gro-forwarding', GET, 'read', read.noWarning),
  route('check-so-mark-in-use', GET, 'read', read.soMarkInUse),
  route('suggest-exit-node', [...GET, 'POST'], 'nothing', read.suggestExitNode),
  route('appc-route-info', GET, 'read', read.noAppRoutes),
  route('services', GET, 'read', read.noServices),
  route('update/check', GET, 'nothing', read.updateCheck),
  route('bugreport', POST, 'read', read.bugReport),
  route('ping', POST, 'nothing', ping),

  // The right to write is asked by the handler, when it is not a GET.
  route('prefs', 'any', 'read', change.prefs),
  route('check-prefs', POST, 'write', change.checkPrefs),
  route('start', POST, 'write', change.start),
  route('login-interactive', POST, 'write', change.loginInteractive),
  route('logout', POST, 'write', change.logout),
  route('reset-auth', POST, 'write', change.resetAuth),
  route('profiles/', 'any', 'write', change.profiles),
  route('set-use-exit-node-enabled', POST, 'write', change.useExitNode),
  route('set-expiry-sooner', POST, 'write', change.setExpirySooner),
  route('dns-osconfig', GET, 'write', read.systemDns),
  route('set-udp-gro-forwarding', POST, 'write', read.noWarning),
  route('files/', GET, 'write', read.noFiles),
  route('drive/shares', 'any', 'read', read.noShares),

  route('metrics', GET, 'write', debug.metrics),
  route('logtap', GET, 'write', debug.logTap),
  route('debug', POST, 'write', debug.debug),
  route('component-debug-logging', POST, 'write', debug.componentLogging),
  route('reload-config', POST, 'write', debug.reloadConfig),
  route('disconnect-control', POST, 'write', debug.disconnectControl),
  route('shutdown', POST, 'write', debug.shutdown),

  // Counters and tokens of other programs, which nobody here has a use for.
  route('upload-client-metrics', POST, 'nothing', read.ignored),
  route('set-push-device-token', POST, 'write', read.ignored),
  route('set-gui-visible', POST, 'write', read.ignored),

  unbuilt('file-targets', 'sending of files'),
  unbuilt('file-put/', 'sending of files'),
  unbuilt('cert/', 'issuing of certificates', 'cert'),
  unbuilt('set-dns', 'issuing of certificates'),
  unbuilt('id-token', 'the identity token of a node'),
  unbuilt('dial', 'dialling through the daemon'),
  unbuilt('dns-query', 'asking the resolver'),
  unbuilt('query-feature', 'asking for features', 'read'),
  unbuilt('tka/', 'tailnet lock'),
  unbuilt('update/install', 'updating'),
  unbuilt('update/progress', 'updating'),
  unbuilt('goroutines', 'a list of goroutines'),
  unbuilt('pprof', 'profiling'),
  unbuilt('debug-capture', 'packet capture'),
  unbuilt('debug-portmap', 'debugging of port mapping'),
  unbuilt('debug-derp-region', 'debugging of relays'),
  unbuilt('dev-set-state-store', 'writing to the state'),
  unbuilt('drive/fileserver-address', 'sharing of folders'),
  unbuilt('policy/', 'system policy'),
  unbuilt('alpha-set-device-attrs', 'setting of device attributes'),
]

/** One path, two methods, two rights. */
export const SERVE_CONFIG: readonly Route[] = [
  route('serve-config', GET, 'read', read.serveConfig),
  route('serve-config', POST, 'write', change.setServeConfig),
]
