package lowband

import (
	"errors"
	"fmt"

	"github.com/plgd-dev/go-coap/v3/message/codes"
)

// ErrClosed is returned for requests of an endpoint that is closed.
var ErrClosed = errors.New("lowband: the endpoint is closed")

// UnknownPeerError says that a request is for a server that the directory does not have.
type UnknownPeerError struct{ Name string }

func (e *UnknownPeerError) Error() string {
	return fmt.Sprintf("lowband: nothing is known of the server %q: its address and key are needed", e.Name)
}

// RefusedError says that the peer could not read a request.
type RefusedError struct {
	Name string
	Code codes.Code
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("lowband: %s cannot read the request (%v)", e.Name, e.Code)
}

// SessionError says that the session to a peer was lost while a request was under way that may not be repeated.
type SessionError struct {
	Name   string
	Method string
}

func (e *SessionError) Error() string {
	return fmt.Sprintf("lowband: the session with %s was lost; a %s request is not repeated, because it may have been handled", e.Name, e.Method)
}
