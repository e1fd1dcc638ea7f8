# shellcheck shell=sh
# What the scripts beside this one share. It is read by them, not run.
#
# MESHSIM        where meshsim is, http://localhost:3000 if not set
# MESHSIM_TOKEN  the token that it printed, where it is reached from another machine

MESHSIM=${MESHSIM:-http://localhost:3000}

# api METHOD PATH [BODY] asks meshsim and prints the answer. Where that is a refusal the script ends with it.
api() {
    answer=$(curl --silent --show-error --fail-with-body --request "$1" \
        ${MESHSIM_TOKEN:+--header "Authorization: Bearer $MESHSIM_TOKEN"} \
        --header 'Content-Type: application/json' ${3:+--data "$3"} "$MESHSIM$2") || {
        echo "${0##*/}: $1 $MESHSIM$2 failed: $answer" >&2
        exit 1
    }
    printf '%s\n' "$answer"
}

# running N prints the ids of the first N running servers, one a line; all of them without N.
running() {
    servers=$(api GET /api/v1/servers)
    printf '%s\n' "$servers" | tr '{' '\n' |
        sed -n 's/^"id":\([0-9]*\),.*"state":"running".*/\1/p' | sed "${1:+${1}q}"
}

# list joins lines with commas.
list() {
    paste -s -d , -
}

# escape prepares a room id for an address.
escape() {
    printf '%s' "$1" | sed 's/%/%25/g; s/!/%21/g; s/:/%3A/g; s,/,%2F,g'
}

# usage ends the script with the comment at its top.
usage() {
    sed -n '3,/^[^#]/s/^# \{0,1\}//p' "$0" >&2
    exit 2
}
