package homeserver

import (
	"encoding/json"
	"net/netip"
	"strings"

	"meshsim/matrix"
)

// serverACL is the content of m.room.server_acl.
type serverACL struct {
	allow, deny     []string
	forbidsLiterals bool
}

// readACL reads the content of m.room.server_acl. Names of properties are exact: encoding/json would take "Deny" for
// "deny", so that a list could say one thing here and another elsewhere. What is not of the right type is left out.
func readACL(content json.RawMessage) serverACL {
	return serverACL{
		allow:           texts(matrix.Lookup(content, "allow")),
		deny:            texts(matrix.Lookup(content, "deny")),
		forbidsLiterals: string(matrix.Lookup(content, "allow_ip_literals")) == "false",
	}
}

// texts returns the strings of a JSON array.
func texts(array json.RawMessage) []string {
	var found []string
	for raw := range matrix.Elements(array) {
		var text *string
		if json.Unmarshal(raw, &text) == nil && text != nil {
			found = append(found, *text)
		}
	}
	return found
}

// aclLocked returns a Forbidden error for a server that the room's access control list keeps out.
func (r *room) aclLocked(server string) error {
	pdu := r.current.Get(matrix.TypeServerACL, "")
	if pdu == nil {
		return nil
	}
	if readACL(pdu.Content()).allows(server) {
		return nil
	}
	return failf(Forbidden, "the access control list of room %s keeps %s out", r.id, server)
}

// allows follows the client-server specification, "Server Access Control Lists". Ports do not count.
func (a serverACL) allows(server string) bool {
	host := server
	if i := strings.LastIndexByte(server, ':'); i >= 0 && !strings.HasSuffix(server, "]") {
		host = server[:i]
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if isIP := err == nil; isIP && a.forbidsLiterals {
		return false
	}
	return !matchesAny(a.deny, host) && matchesAny(a.allow, host)
}

func matchesAny(patterns []string, name string) bool {
	for _, pattern := range patterns {
		if glob(strings.ToLower(pattern), strings.ToLower(name)) {
			return true
		}
	}
	return false
}

// Glob says whether name matches a pattern in which * stands for any characters and ? for one.
func Glob(pattern, name string) bool { return glob(pattern, name) }

// glob matches * with any characters and ? with one, in time proportional to the product of the lengths.
func glob(pattern, name string) bool {
	star, resume := -1, 0
	p, n := 0, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, resume = p, n
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == name[n]):
			p++
			n++
		case star >= 0:
			resume++
			p, n = star+1, resume
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
