#!/bin/sh
#
# Remove all servers: stop-all.sh
#
# Their ids are not given again; a removed server can be brought back with
#   curl -X POST http://localhost:3000/api/v1/servers/ID/restore
set -eu
. "$(dirname "$0")/lib.sh"

[ $# -eq 0 ] || usage
servers=$(api GET /api/v1/servers)
for id in $(printf '%s\n' "$servers" | tr '{' '\n' | sed -n '/"state":"gone"/d; s/^"id":\([0-9]*\),.*/\1/p'); do
    api DELETE "/api/v1/servers/$id" >/dev/null
done
