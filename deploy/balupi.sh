#!/bin/sh
# The command `balupi`, from wherever a link to it stands.
here=$(dirname "$(dirname "$(readlink -f "$0")")")
exec "$here/node/bin/node" --disable-warning=ExperimentalWarning "$here/dist/deploy/cli.js" "$@"
