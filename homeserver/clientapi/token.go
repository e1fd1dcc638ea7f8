package clientapi

import (
	"strconv"
	"strings"

	"meshsim/homeserver"
)

// A token names a point between two things that happened on a server: next_batch, prev_batch, start and end
// are all of this kind, so that each can be used where another is expected.

// maxToken bounds the number in a token, so that it can be counted on from without overflow.
const maxToken = 1 << 53

func token(at homeserver.Position) string { return "s" + strconv.FormatInt(int64(at), 10) }

// parseToken accepts exactly what token makes.
func parseToken(name, text string) (homeserver.Position, error) {
	digits, ok := strings.CutPrefix(text, "s")
	at, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || at > maxToken || at < -maxToken || token(homeserver.Position(at)) != text {
		return 0, invalid("%s=%.40q: not a token of this server: use one from a next_batch, prev_batch, start or end", name, text)
	}
	return homeserver.Position(at), nil
}

// optionalToken reads a token from the query, nil when there is none.
func (c *call) optionalToken(name string) (*homeserver.Position, error) {
	text := c.query(name)
	if text == "" {
		return nil, nil
	}
	at, err := parseToken(name, text)
	if err != nil {
		return nil, err
	}
	return &at, nil
}

// since reads the position of an earlier sync; first says that there was none. A position that lies ahead
// comes from another life of this server: what it stands for is gone.
func (c *call) since() (at homeserver.Position, first bool, err error) {
	given, err := c.optionalToken("since")
	if err != nil || given == nil {
		return 0, true, err
	}
	if *given < 0 || *given > c.server.Position() {
		return 0, false, invalid("since=%q: this server has not been there yet: sync from the start", c.query("since"))
	}
	return *given, false, nil
}
