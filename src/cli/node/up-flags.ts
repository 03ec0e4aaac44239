/** Flags that `sett up` and `sett login` have in common. */

import { bool, duration, text } from './flags.ts'
import type { Flags } from './flags.ts'
import { DEFAULT_CONTROL_URL, SHARED_FLAGS } from './pref-flags.ts'

const QR_FORMATS = 'auto, ascii, large, small'

/** Behind what only an official daemon does something with; `set` has the official texts to the letter. */
const NOT_BUILT = ' (not in settd yet)'

export const UP_FLAGS: Flags = {
  ...SHARED_FLAGS,
  ssh: { ...SHARED_FLAGS.ssh, usage: `${SHARED_FLAGS.ssh.usage}${NOT_BUILT}` },
  'report-posture': { ...SHARED_FLAGS['report-posture'], usage: `${SHARED_FLAGS['report-posture'].usage}${NOT_BUILT}` },
  qr: bool(false, 'show QR code for login URLs; on a terminal it is shown unless --qr=false'),
  'qr-format': text(`QR code formatting (${QR_FORMATS})`, 'auto'),
  'auth-key': text('key that lets this node join; "file:PATH" reads it from a file'),
  'login-server': text('base URL of control server', DEFAULT_CONTROL_URL),
  'advertise-tags': text('comma-separated tags to ask for (e.g. "tag:eng,tag:ssh"); "tag:" may be left out'),
  'advertise-connector': bool(false, `advertise this node as an app connector${NOT_BUILT}`),
  'host-routes': bool(true, 'there is no node without them', {
    hidden: true,
    check: (value) => (value === 'true' ? undefined : "unsupported value; only 'true' is allowed"),
  }),
  timeout: duration(0, 'how long to wait for settd to be connected; 0s waits as long as it takes'),
}
