/**
 * How long things take in path finding. Where we are quicker than disco.md §5.1, the reason stands beside the number.
 */

import { MINUTE_MS, SECOND_MS } from '../../base/clock.ts'

/** A session is active this long after its last outgoing packet; as long a ping-learned candidate lives. */
export const SESSION_MS = 45 * SECOND_MS
export const HEARTBEAT_MS = 3 * SECOND_MS
/** A quiet path is trusted this long after a pong. A busy one loses its trust sooner: see liveness.ts. */
export const TRUST_MS = 6500
/** A path that works, but slowly, is compared with the other candidates this often. */
export const UPGRADE_MS = MINUTE_MS
/** Nothing better than this is looked for. */
export const GOOD_LATENCY_MS = 5
export const PING_TIMEOUT_MS = 5 * SECOND_MS
/** A person's ping is sent again so often, while nobody has answered: the way may have opened since. */
export const ASK_AGAIN_MS = 500
/** A call-me-maybe speaks of endpoints no older than this. */
export const FRESH_ENDPOINTS_MS = 27 * SECOND_MS

/**
 * While there is traffic and no direct path, rounds follow each other so. Two filtering NATs open when rounds from both
 * sides meet; the early ones are close together so that a missed meeting costs little, and the later ones close enough
 * that a way that opens is found within a second.
 */
export const EARLY_ROUNDS_MS = [100, 150, 250, 500] as const
export const ROUND_MS = 600
/** A path that was not found in this time is looked for at SLOW_ROUND_MS: it costs its pings for as long as there is traffic. */
export const PATIENCE_MS = 10 * MINUTE_MS
export const SLOW_ROUND_MS = 2 * SECOND_MS
/** Without an outgoing packet for so long, rounds are left to the heartbeat. */
export const EAGER_MS = 5 * SECOND_MS
/** Pings to one candidate keep this distance while a path is looked for, whoever asks for them. */
export const PING_SPACING_MS = 80
/** Rounds that peers' calls bring about keep this distance, so that a peer can't make us flood others. */
export const CALLED_ROUND_MS = 200
/** Own calls keep this distance: each makes the peer ping all it knows. */
export const CALL_SPACING_MS = 240

/** A peer that nobody has spoken with for so long costs nothing again. */
export const FORGET_MS = 5 * MINUTE_MS
/** Sockets that can't send are opened anew at most this often. */
export const REBIND_MS = 5 * SECOND_MS
