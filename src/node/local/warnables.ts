/** The warnings that a node can give: codes and severities are those that scripts know (node.md §15). */

import { MINUTE_MS, SECOND_MS } from '../../base/clock.ts'

export type Severity = 'low' | 'medium' | 'high'

export interface Warnable {
  readonly severity: Severity
  readonly title: string
  /** Whole sentences, for people. */
  readonly text: (args: { readonly [name: string]: string }) => string
  /** Not shown while one of these is. */
  readonly dependsOn?: readonly WarnableCode[]
  readonly impactsConnectivity?: true
  /** Not shown before it has lasted so long. */
  readonly visibleAfterMs?: number
}

export type WarnableCode =
  | 'warming-up'
  | 'network-status'
  | 'wantrunning-false'
  | 'login-state'
  | 'not-in-map-poll'
  | 'mapresponse-timeout'
  | 'node-key-in-use'
  | 'no-derp-home'
  | 'no-derp-connection'
  | 'derp-timed-out'
  | 'derp-region-error'
  | 'no-udp4-bind'
  | 'magicsock-receive-func-error'
  | 'tls-connection-failed'
  | 'dns-read-os-config-failed'
  | 'dns-set-os-config-failed'
  | 'dns-forward-failing'
  | 'resolv-conf-overwritten'
  | 'ip-forwarding-off'
  | 'nosnat-with-advertised-exit-node'
  | 'exit-node-unusable'
  | 'invalid-packet-filter'
  | 'state-store-health'
  | 'sync-disabled'
  | 'update-available'
  | 'security-update-available'
  | 'peers-advertise-routes'
  | 'apply-disk-config'
  | 'test-warnable'

const CONNECTED = ['network-status', 'wantrunning-false'] as const

export const WARNABLES: { readonly [Code in WarnableCode]: Warnable } = {
  'warming-up': {
    severity: 'low',
    title: 'Starting',
    text: () => 'Sett is starting. Please wait.',
  },
  'network-status': {
    severity: 'medium',
    title: 'Network down',
    text: () => 'This machine has no network: none of its interfaces is up.',
    impactsConnectivity: true,
    visibleAfterMs: 5 * SECOND_MS,
  },
  'wantrunning-false': {
    severity: 'low',
    title: 'Off',
    text: () => 'Tailscale is stopped.',
  },
  'login-state': {
    severity: 'medium',
    title: 'Logged out',
    text: ({ error }) =>
      error === undefined ? 'You are logged out.' : `You are logged out. The last login error was: ${error}`,
    dependsOn: ['wantrunning-false'],
  },
  'not-in-map-poll': {
    severity: 'medium',
    title: 'Out of sync',
    text: () =>
      'The coordination server has not been reached for a while. Connections go on, but changes do not arrive.',
    dependsOn: CONNECTED,
    visibleAfterMs: 8 * MINUTE_MS,
  },
  'mapresponse-timeout': {
    severity: 'medium',
    title: 'Network map response timeout',
    text: ({ duration, error }) =>
      `The coordination server has sent nothing for ${duration ?? 'more than two minutes'}${error === undefined ? '' : `: ${error}`}.`,
    dependsOn: CONNECTED,
    visibleAfterMs: 2 * MINUTE_MS + 5 * SECOND_MS,
  },
  // Ours alone: official daemons have no word for it.
  'node-key-in-use': {
    severity: 'medium',
    title: 'Key in use elsewhere',
    text: () =>
      "Another machine seems to use this machine's key, as a copy of it would: they take the network map from each other. " +
      'On the copy, stop settd, delete its state file (/var/lib/settd/settd.state, if no other was named), start it ' +
      'again and run sett up.',
    dependsOn: CONNECTED,
    impactsConnectivity: true,
  },
  'no-derp-home': {
    severity: 'medium',
    title: 'No home relay server',
    text: () => 'No relay could be reached: check that this machine may open connections to the internet.',
    dependsOn: CONNECTED,
    impactsConnectivity: true,
    visibleAfterMs: 10 * SECOND_MS,
  },
  'no-derp-connection': {
    severity: 'medium',
    title: 'Relay server unavailable',
    text: ({ 'derp-region-name': name, 'derp-region-id': id }) =>
      `There is no connection to the relay ${name ?? `of region ${id ?? '?'}`}, so nodes without a direct path can't reach this one.`,
    dependsOn: [...CONNECTED, 'no-derp-home'],
    impactsConnectivity: true,
    visibleAfterMs: 10 * SECOND_MS,
  },
  'derp-timed-out': {
    severity: 'medium',
    title: 'Relay server timed out',
    text: ({ 'derp-region-name': name, 'derp-region-id': id }) =>
      `Nothing has come from the relay ${name ?? `of region ${id ?? '?'}`} for a while.`,
    dependsOn: [...CONNECTED, 'no-derp-connection', 'no-derp-home'],
  },
  'derp-region-error': {
    severity: 'low',
    title: 'Relay server error',
    text: ({ 'derp-region-id': id, error }) => `The relay of region ${id ?? '?'} reports: ${error ?? 'a problem'}`,
    dependsOn: CONNECTED,
  },
  'no-udp4-bind': {
    severity: 'medium',
    title: 'NAT traversal setup failure',
    text: () => 'No UDP socket for IPv4 could be opened: connections go by relay.',
    dependsOn: CONNECTED,
    impactsConnectivity: true,
  },
  'magicsock-receive-func-error': {
    severity: 'medium',
    title: 'Receiving has stopped',
    text: ({ name }) => `Packets are not being received any more (${name ?? 'unknown'}). Restart the daemon.`,
  },
  'tls-connection-failed': {
    severity: 'medium',
    title: 'Encrypted connection failed',
    text: ({ server, error }) => `No encrypted connection to ${server ?? 'a server'} could be made: ${error ?? ''}`,
    dependsOn: CONNECTED,
  },
  'dns-read-os-config-failed': {
    severity: 'low',
    title: 'Cannot read the DNS configuration',
    text: ({ error }) => `The machine's DNS settings could not be read: ${error ?? ''}`,
  },
  'dns-set-os-config-failed': {
    severity: 'medium',
    title: 'Cannot set the DNS configuration',
    text: ({ error }) => `The machine's DNS settings could not be changed: ${error ?? ''}`,
  },
  'dns-forward-failing': {
    severity: 'medium',
    title: 'DNS unavailable',
    text: ({ 'dns-servers': servers }) => `The configured DNS servers do not answer: ${servers ?? ''}`,
    dependsOn: CONNECTED,
    impactsConnectivity: true,
    visibleAfterMs: 15 * SECOND_MS,
  },
  'resolv-conf-overwritten': {
    severity: 'medium',
    title: 'DNS configuration overwritten',
    text: () => 'Another program overwrites /etc/resolv.conf, so names of the tailnet may not resolve.',
  },
  'ip-forwarding-off': {
    severity: 'medium',
    title: 'IP forwarding is off',
    text: ({ error }) => `This machine advertises routes but does not forward packets. ${error ?? ''}`.trimEnd(),
    impactsConnectivity: true,
  },
  'nosnat-with-advertised-exit-node': {
    severity: 'medium',
    title: 'Exit node without SNAT',
    text: () => 'This machine is an exit node with SNAT switched off: answers from the internet will not find back.',
  },
  // Ours alone: official daemons leave it to people to find out why nothing answers.
  'exit-node-unusable': {
    severity: 'high',
    title: 'Exit node can not be used',
    text: ({ error }) =>
      `${error ?? 'The exit node can not be used'}, so traffic to the internet is blocked. ` +
      'To go without an exit node: sett set --exit-node=',
    dependsOn: CONNECTED,
    impactsConnectivity: true,
  },
  'invalid-packet-filter': {
    severity: 'high',
    title: 'Invalid packet filter',
    text: ({ error }) =>
      `The coordination server sent an invalid packet filter; all connections in are refused. ${error ?? ''}`.trimEnd(),
  },
  'state-store-health': {
    severity: 'high',
    title: 'State cannot be stored',
    text: ({ error }) => `The state file could not be written: ${error ?? ''}`,
    impactsConnectivity: true,
  },
  'sync-disabled': {
    severity: 'high',
    title: 'Synchronisation is off',
    text: () => 'Synchronisation with the coordination server is switched off; changes do not arrive.',
  },
  'update-available': {
    severity: 'low',
    title: 'Update available',
    text: ({ 'available-version': version }) => `Version ${version ?? ''} is available.`,
  },
  'security-update-available': {
    severity: 'medium',
    title: 'Security update available',
    text: ({ 'available-version': version }) => `Version ${version ?? ''} is available, and mends a security problem.`,
  },
  'peers-advertise-routes': {
    severity: 'low',
    title: 'Routes are not accepted',
    text: () => 'Some peers are advertising routes but --accept-routes is false',
    dependsOn: CONNECTED,
  },
  'apply-disk-config': {
    severity: 'medium',
    title: 'Could not apply configuration',
    text: ({ error }) => `The configuration file could not be applied: ${error ?? ''}`,
  },
  'test-warnable': {
    severity: 'low',
    title: 'Test warning',
    text: () => 'This is a test warning.',
  },
}
