#!/bin/sh
#
# Send a message from servers: send-messages.sh ROOM [COUNT [TEXT]]
#
# The first COUNT running servers send one message each, or all that run. They must have joined the room.
# Prints the events' ids.
set -eu
. "$(dirname "$0")/lib.sh"

case $# in
1 | 2 | 3) ;;
*) usage ;;
esac
room=$(escape "$1")
for id in $(running "${2:-}"); do
    sent=$(api POST "/api/v1/rooms/$room/messages" "{\"server\":$id,\"body\":$(quoted "${3:-hello from} server $id")}")
    printf '%s\n' "$sent" | sed 's/.*"event_id":"\([^"]*\)".*/\1/'
done
