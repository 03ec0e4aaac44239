# Sourced by bin/sett and bin/settd: sets $node to a Node of version 26 or newer, or says what is needed and ends.
node=
found=
failed=
for candidate in "$here/../node_modules/.bin/node" node; do
  command -v "$candidate" >/dev/null 2>&1 || continue
  said=$("$candidate" --version 2>&1) || { failed=$said; continue; }
  major=${said#v}
  major=${major%%.*}
  if [ "$major" -ge 26 ] 2>/dev/null; then node=$candidate; break; fi
  found="$found $said"
done
if [ -z "$node" ]; then
  if [ -n "$found" ]; then
    echo "sett needs Node 26 or newer, and found only$found. Install Node 26 (https://nodejs.org), or run 'npm ci' in a clone." >&2
  elif [ -n "$failed" ]; then
    echo "sett needs Node 26, which does not start here: $failed" >&2
    case $failed in *libatomic*) echo "Install the missing library first: apt-get install libatomic1" >&2 ;; esac
  else
    echo "sett needs Node 26 or newer, and found no 'node' in PATH. Install Node 26 (https://nodejs.org)." >&2
  fi
  exit 1
fi
NODE_COMPILE_CACHE=${NODE_COMPILE_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/sett/compile}
export NODE_COMPILE_CACHE
# Without this file, as in small containers, the time is UTC; but ICU looks for a zone that fits among all, for 50 ms.
if [ -z "${TZ:-}" ] && [ ! -e /etc/localtime ]; then TZ=UTC; export TZ; fi
