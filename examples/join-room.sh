#!/bin/sh
#
# Join a room from servers: join-room.sh ROOM [COUNT]
#
# ROOM is what make-room.sh printed. The first COUNT running servers join it, or all, side by side. Waits
# until each has joined or failed, and fails if any has.
set -eu
. "$(dirname "$0")/lib.sh"

case $# in
1 | 2) ;;
*) usage ;;
esac
room=$(escape "$1")
api POST "/api/v1/rooms/$room/members" "{\"servers\":[$(running "${2:-}" | list)]}" >/dev/null

members() {
    rooms=$(api GET /api/v1/rooms)
    printf '%s\n' "$rooms" | tr '{' '\n' | sed -n "/^\"id\":\"$1\"/,/^\"id\"/{/^\"server\"/p;}"
}
while members "$1" | grep -q '"state":"joining"'; do
    sleep 1
done
members "$1" | sed 's/^"server":\([0-9]*\),"state":"\([a-z]*\)".*/server \1 \2/'
! members "$1" | grep -q '"state":"failed"'
