#!/bin/sh
#
# Add accounts: add-accounts.sh COUNT [SERVER...]
#
# Registers user1 to userCOUNT, with their names as passwords, on the servers with the ids given, or on all
# that run. The requests go the way of the servers' clients, across the client link. Every server has the
# account matthew, password secret, from the start. Where meshsim has a token, registration wants it too.
set -eu
. "$(dirname "$0")/lib.sh"

[ $# -ge 1 ] || usage
count=$1
shift

host=${MESHSIM#*://}
host=${host%%/*}
if [ $# -eq 0 ]; then
    servers=$(running "")
    # shellcheck disable=SC2086 # one word for each id
    set -- $servers
fi
if [ -n "${MESHSIM_TOKEN:-}" ]; then
    auth="{\"type\":\"m.login.registration_token\",\"token\":\"$MESHSIM_TOKEN\"}"
else
    auth='{"type":"m.login.dummy"}'
fi
for id in "$@"; do
    server=$(api GET "/api/v1/servers/$id")
    name=$(printf '%s\n' "$server" | sed 's/.*"name":"\([^"]*\)".*/\1/')
    user=1
    while [ "$user" -le "$count" ]; do
        answer=$(curl --silent --show-error --fail-with-body \
            --header "Host: $name.localhost:${host##*:}" --header 'Content-Type: application/json' \
            --data "{\"username\":\"user$user\",\"password\":\"user$user\",\"auth\":$auth}" \
            "$MESHSIM/_matrix/client/v3/register" 2>/dev/null) || {
            echo "${0##*/}: user$user could not be added to $name: $(sentence "$answer")" >&2
            exit 1
        }
        echo "@user$user:$name"
        user=$((user + 1))
    done
done
