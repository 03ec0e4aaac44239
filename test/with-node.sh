#!/bin/sh
# Runs a script of this repository under Node 26, and gets what that needs first: on Debian as root its one missing
# library. Used by the npm scripts, which would otherwise fail obscurely under an older Node.
here=$(dirname -- "$(readlink -f -- "$0")")/../bin
if [ -x "$here/../node_modules/.bin/node" ] && ! "$here/../node_modules/.bin/node" --version >/dev/null 2>&1; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing libatomic1, which Node 26 needs" >&2
    apt-get update -qq >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq libatomic1 >&2
  fi
fi
. "$here/find-node.sh"
exec "$node" "$@"
