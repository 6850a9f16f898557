#!/bin/sh
# The command `balupi`; a link to it may be in any folder.
here=$(dirname "$(dirname "$(readlink -f "$0")")")
exec "$here/node/bin/node" --disable-warning=ExperimentalWarning "$here/dist/deploy/cli.js" "$@"
