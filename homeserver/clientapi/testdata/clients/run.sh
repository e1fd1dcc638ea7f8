#!/bin/sh
#
# Real clients against meshsim: run.sh [nio] [sdk]
#
# Starts meshsim with two servers on free ports and lets each client have two of its users, one on each server, talk
# to each other encrypted. Without arguments all run. MESHSIM_BINARY is a meshsim to use instead of a new one.
# It takes a minute, and more the first time: npm installs matrix-js-sdk.
#
# Wants Debian's python3-matrix-nio and python3-olm (nio), and Node 20 with npm (sdk).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ $# -gt 0 ] || set -- nio sdk
work=$(mktemp -d)
meshsim=
finish() {
    [ -z "$meshsim" ] || kill "$meshsim" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM

binary=${MESHSIM_BINARY:-}
if [ -z "$binary" ]; then
    binary=$work/meshsim
    (cd "$here" && go build -o "$binary" meshsim/cmd/meshsim)
fi

# Two adjacent free ports for the clients of the two servers, one for meshsim itself.
ports=$(/usr/bin/python3 -c '
import socket
def free(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) != 0
print(*next((p, p + 2) for p in range(27000, 60000, 10) if all(free(p + i) for i in range(3))))')
clients=${ports% *}
listen=${ports#* }
"$binary" --listen "127.0.0.1:$listen" --client-ports "$clients" >"$work/log" 2>&1 &
meshsim=$!

one=http://127.0.0.1:$clients
two=http://127.0.0.1:$((clients + 1))
api=http://127.0.0.1:$listen/api/v1/servers
curl --silent --fail --retry 50 --retry-delay 1 --retry-connrefused "$api" -o /dev/null
for x in 100 150; do
    curl --silent --show-error --fail -o /dev/null --data "{\"x\":$x,\"y\":100}" "$api"
done
for url in "$one" "$two"; do
    curl --silent --fail --retry 50 --retry-delay 1 --retry-all-errors "$url/_matrix/client/versions" -o /dev/null
done

for client in "$@"; do
    case $client in
    nio) timeout 300 /usr/bin/python3 "$here/nio_talk.py" "$one" "$two" ;;
    sdk)
        (cd "$here" && { [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --silent --no-audit --no-fund; })
        # The SDK tells a lot of what it does, which is of interest when it fails only.
        timeout 300 node "$here/sdk_talk.mjs" "$one" "$two" >"$work/sdk" 2>&1 || {
            tail -n 100 "$work/sdk" >&2
            exit 1
        }
        tail -n 1 "$work/sdk"
        ;;
    *)
        echo "${0##*/}: unknown client $client: use nio or sdk" >&2
        exit 2
        ;;
    esac
done
