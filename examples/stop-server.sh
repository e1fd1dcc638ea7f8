#!/bin/sh
#
# Stop a server: stop-server.sh ID
#
# It keeps its place, its key and its rooms. Start it again on the page, or with
#   curl -X POST http://localhost:3000/api/v1/servers/ID/start
set -eu
. "$(dirname "$0")/lib.sh"

[ $# -eq 1 ] || usage
api POST "/api/v1/servers/$1/stop" >/dev/null
