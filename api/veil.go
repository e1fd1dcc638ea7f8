package api

import (
	"bytes"
	"net"
)

// veiled is a client's connection to a server of which our own cookie is made unreadable: browsers send cookies to all
// ports of a host (RFC 6265, section 8.5), so also to the client port of a server. The value is overwritten where it
// stands, so that the number of bytes and where requests end stay as they are, and nothing is held back. It knows
// lines and not requests: a body with a line that begins as the header does is changed too.
type veiled struct {
	net.Conn
	state veilState
	at    int // of what is matched in beginsLine and beginsCookie
}

// veilState says in what part of a line a connection is.
type veilState uint8

const (
	beginsLine   veilState = iota // perhaps in the name of the header
	inOtherLine                   // or in the rest of a line that is not of interest
	beginsCookie                  // perhaps in the name of our cookie
	inOtherCookie
	inOurCookie // in its value
)

const (
	cookieHeader = "cookie:" // in lower case
	cookieName   = tokenCookie + "="
)

// Read implements net.Conn.
func (v *veiled) Read(p []byte) (int, error) {
	n, err := v.Conn.Read(p)
	v.cover(p[:n])
	return n, err
}

// CloseWrite ends the direction to the client and leaves the other open.
func (v *veiled) CloseWrite() error { return closeWrite(v.Conn) }

func (v *veiled) unwrap() net.Conn { return v.Conn }

// cover overwrites our cookie in what comes next on the connection.
func (v *veiled) cover(p []byte) {
	for i := 0; i < len(p); i++ {
		if v.state == inOtherLine { // as most is, files that are sent above all
			end := bytes.IndexByte(p[i:], '\n')
			if end < 0 {
				return
			}
			i += end
		}
		if v.step(p[i]) {
			p[i] = 'x'
		}
	}
}

// step takes the next byte and says whether it is to be overwritten.
func (v *veiled) step(b byte) (hide bool) {
	switch {
	case b == '\n':
		v.state, v.at = beginsLine, 0
	case v.state == beginsLine:
		v.match(cookieHeader, lower(b), beginsCookie, inOtherLine)
	case v.state == inOtherLine:
	case b == ';':
		v.state, v.at = beginsCookie, 0
	case v.state == beginsCookie && v.at == 0 && (b == ' ' || b == '\t'):
	case v.state == beginsCookie:
		v.match(cookieName, b, inOurCookie, inOtherCookie)
	case v.state == inOurCookie:
		return b != '\r'
	}
	return false
}

// match follows a word and says what comes after it, or after something else.
func (v *veiled) match(word string, b byte, after, otherwise veilState) {
	switch {
	case b != word[v.at]:
		v.state = otherwise
	case v.at == len(word)-1:
		v.state, v.at = after, 0
	default:
		v.at++
	}
}

func lower(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		return b + 'a' - 'A'
	}
	return b
}
