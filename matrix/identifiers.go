package matrix

import (
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"
)

// MaxIdentifierBytes bounds user, room and event ids and aliases, sigil and domain included
// (Matrix appendices, "Common Identifier Format").
const MaxIdentifierBytes = 255

// DefaultPort is where servers whose names have no port are asked (server-server specification, "Resolving server names").
const DefaultPort = 8448

// ServerName names a homeserver: a DNS name or IP literal with an optional port. It is compared byte by byte.
type ServerName string

// UserID is "@localpart:server".
type UserID string

// RoomID is "!opaque:server", or, from room version 12 on, "!" and the create event's reference hash.
type RoomID string

// EventID is "$" and the event's reference hash in URL-safe unpadded Base64 (room versions 4 and later).
type EventID string

// RoomAlias is "#localpart:server".
type RoomAlias string

// KeyID is a signing key identifier, "algorithm:version", as in "ed25519:1".
type KeyID string

// IdentifierError says which identifier is malformed and why.
type IdentifierError struct {
	Kind   string // "user ID", "room ID", ...
	Value  string
	Reason string
}

func (e *IdentifierError) Error() string {
	return fmt.Sprintf("%s %q: %s", e.Kind, e.Value, e.Reason)
}

// Valid tells whether the name satisfies the grammar of the Matrix appendices, "Server Name": a DNS name or an IP
// literal with an optional port.
func (n ServerName) Valid() bool { return validServerName(string(n)) }

// ParseUserID checks the form that servers must accept from each other: any localpart without NUL and ":",
// a valid server name, at most 255 bytes.
func ParseUserID(s string) (UserID, error) {
	if err := checkDomainID("user ID", s, '@'); err != nil {
		return "", err
	}
	return UserID(s), nil
}

// Valid tells whether the id passes ParseUserID.
func (u UserID) Valid() bool { return checkDomainID("user ID", string(u), '@') == nil }

// Server is the part after the first colon, "" when there is none.
func (u UserID) Server() ServerName { return domain(string(u)) }

// Localpart is what stands between "@" and the first colon, "" when the id is malformed.
func (u UserID) Localpart() string { return localpart(string(u)) }

// ValidStrictLocalpart tells whether a localpart may be given to a new user: a-z, 0-9 and ._=-/+ only
// (Matrix appendices, "User Identifiers").
func ValidStrictLocalpart(s string) bool {
	for _, c := range []byte(s) {
		lower, digit := c >= 'a' && c <= 'z', c >= '0' && c <= '9'
		if !lower && !digit && strings.IndexByte("._=-/+", c) < 0 {
			return false
		}
	}
	return s != ""
}

// ParseRoomID checks a room id of any room version: with a domain, or as a hash without one.
func ParseRoomID(s string) (RoomID, error) {
	if !strings.HasPrefix(s, "!") || strings.Contains(s, ":") {
		if err := checkDomainID("room ID", s, '!'); err != nil {
			return "", err
		}
		return RoomID(s), nil
	}
	if !validHashID(s) {
		return "", &IdentifierError{"room ID", s, "without a domain it must be ! and 43 characters of URL-safe Base64"}
	}
	return RoomID(s), nil
}

// Valid tells whether the id passes ParseRoomID.
func (r RoomID) Valid() bool {
	_, err := ParseRoomID(string(r))
	return err == nil
}

// Server is the domain of the room id; "" for the hash ids of room version 12.
func (r RoomID) Server() ServerName { return domain(string(r)) }

// CreateEventID turns the room id of room version 12 and later into the id of its create event;
// "" for a room id with a domain.
func (r RoomID) CreateEventID() EventID {
	if !validHashID(string(r)) {
		return ""
	}
	return EventID("$" + r[1:])
}

// Valid tells whether the id is "$" and 43 characters of URL-safe Base64.
func (e EventID) Valid() bool { return strings.HasPrefix(string(e), "$") && validHashID(string(e)) }

// ParseRoomAlias checks "#localpart:server".
func ParseRoomAlias(s string) (RoomAlias, error) {
	if err := checkDomainID("room alias", s, '#'); err != nil {
		return "", err
	}
	return RoomAlias(s), nil
}

// Server is the part after the first colon, "" when there is none.
func (a RoomAlias) Server() ServerName { return domain(string(a)) }

// Localpart is what stands between "#" and the first colon, "" when the alias is malformed.
func (a RoomAlias) Localpart() string { return localpart(string(a)) }

// Algorithm is the part of the key id before the colon, "" when there is none.
func (k KeyID) Algorithm() string {
	algorithm, _, found := strings.Cut(string(k), ":")
	if !found {
		return ""
	}
	return algorithm
}

func domain(id string) ServerName {
	_, server, _ := strings.Cut(id, ":")
	return ServerName(server)
}

func localpart(id string) string {
	local, _, found := strings.Cut(id, ":")
	if !found {
		return ""
	}
	return local[1:]
}

func checkDomainID(kind, s string, sigil byte) error {
	switch {
	case len(s) > MaxIdentifierBytes:
		return &IdentifierError{kind, s, fmt.Sprintf("has %d bytes, at most %d are allowed", len(s), MaxIdentifierBytes)}
	case s == "" || s[0] != sigil:
		return &IdentifierError{kind, s, fmt.Sprintf("must begin with %q", sigil)}
	case !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0:
		return &IdentifierError{kind, s, "must be UTF-8 without NUL"}
	}
	_, server, found := strings.Cut(s, ":")
	if !found {
		return &IdentifierError{kind, s, "has no server name after a colon"}
	}
	if !validServerName(server) {
		return &IdentifierError{kind, s, fmt.Sprintf("ends in %q, which is no server name", server)}
	}
	return nil
}

// validHashID checks a sigil and 32 bytes in URL-safe unpadded Base64. Any final character is accepted:
// the id is opaque, and the reference hash decides.
func validHashID(s string) bool {
	const hashChars = 43
	if len(s) != 1+hashChars {
		return false
	}
	for _, c := range []byte(s[1:]) {
		if !isAlphanumeric(c) && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

func validServerName(s string) bool {
	if s == "" || len(s) > MaxIdentifierBytes {
		return false
	}
	if s[0] == '[' {
		host, port, found := strings.Cut(s[1:], "]")
		addr, err := netip.ParseAddr(host)
		return found && err == nil && addr.Is6() && addr.Zone() == "" && validPortSuffix(port)
	}
	host, port := s, ""
	if i := strings.IndexByte(s, ':'); i >= 0 {
		host, port = s[:i], s[i:]
	}
	return validDNSName(host) && validPortSuffix(port)
}

// validDNSName also covers dotted IPv4 literals, whose characters are DNS characters.
func validDNSName(s string) bool {
	for _, c := range []byte(s) {
		if !isAlphanumeric(c) && c != '-' && c != '.' {
			return false
		}
	}
	return s != ""
}

func validPortSuffix(s string) bool {
	if s == "" {
		return true
	}
	if s[0] != ':' || len(s) < 2 || len(s) > 6 {
		return false
	}
	for _, c := range []byte(s[1:]) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
