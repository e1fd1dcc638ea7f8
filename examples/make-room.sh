#!/bin/sh
#
# Make a room: make-room.sh [SERVER [NAME]]
#
# SERVER is the id of the server that makes it, 0 if not given. Prints the room's id.
set -eu
. "$(dirname "$0")/lib.sh"

[ $# -le 2 ] || usage
made=$(api POST /api/v1/rooms "{\"creator\":${1:-0},\"name\":$(quoted "${2:-example}")}")
printf '%s\n' "$made" | sed 's/^[^{]*{"id":"\([^"]*\)".*/\1/'
