# shellcheck shell=sh
# What the scripts beside this one share. It is read by them, not run.
#
# MESHSIM        where meshsim is, http://localhost:3000 if not set
# MESHSIM_TOKEN  the token that it printed, where it is reached from another machine

MESHSIM=${MESHSIM:-http://localhost:3000}

# api METHOD PATH [BODY] asks meshsim and prints the answer. Where that is a refusal the script ends with its sentence.
api() {
    answer=$(curl --silent --show-error --write-out '\n%{http_code}' --request "$1" \
        ${MESHSIM_TOKEN:+--header "Authorization: Bearer $MESHSIM_TOKEN"} \
        --header 'Content-Type: application/json' ${3:+--data "$3"} "$MESHSIM$2") || {
        echo "${0##*/}: no meshsim answers at $MESHSIM: start one, or say in MESHSIM where it is" >&2
        exit 1
    }
    status=${answer##*
}
    answer=${answer%
*}
    case $status in
    2??) printf '%s\n' "$answer" ;;
    *)
        printf '%s: %s\n' "${0##*/}" "$(sentence "$answer")" >&2
        exit 1
        ;;
    esac
}

# sentence prints the sentence of a refusal, or all of it where it has none.
sentence() {
    printf '%s\n' "$1" | sed -E 's/.*"(detail|error)":"(([^"\\]|\\.)*)".*/\2/; s/\\"/"/g'
}

# quoted prints a text as a JSON string. Control characters, which a line has none of, are not for it.
quoted() {
    printf '"%s"' "$(printf '%s' "$1" | sed 's/\\/\\\\/g; s/"/\\"/g')"
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
