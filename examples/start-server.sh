#!/bin/sh
#
# Start a server: start-server.sh [X Y [KIND [NAME]]]
#
# X and Y are pixels of the canvas, 0 0 if not given. Prints the server's id once it runs.
set -eu
. "$(dirname "$0")/lib.sh"

case $# in
0 | 2 | 3 | 4) ;;
*) usage ;;
esac

body="\"x\":${1:-0},\"y\":${2:-0}"
if [ -n "${3:-}" ]; then
    body="$body,\"kind\":$(quoted "$3")"
fi
if [ -n "${4:-}" ]; then
    body="$body,\"name\":$(quoted "$4")"
fi
added=$(api POST /server "{$body}")
printf '%s\n' "$added" | sed 's/.*"id":\([0-9]*\).*/\1/'
