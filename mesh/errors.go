package mesh

import "fmt"

// ErrorKind says what is wrong with a command, so that an interface can answer with the right status.
type ErrorKind string

// The kinds of [Error].
const (
	NotFound ErrorKind = "not_found" // the server or link named does not exist
	Invalid  ErrorKind = "invalid"   // a value is not allowed
	Conflict ErrorKind = "conflict"  // not possible in the state that the mesh is in
	Closed   ErrorKind = "closed"    // the mesh has been closed
	Internal ErrorKind = "internal"  // what stands below the mesh failed
)

// Error is what commands fail with. Nothing has changed when one is returned, unless the command says
// otherwise.
type Error struct {
	Kind    ErrorKind
	Message string // one sentence for the user: what was wrong, with which value, and what is possible
	Cause   error  // may be nil
}

func (e *Error) Error() string { return e.Message }

func (e *Error) Unwrap() error { return e.Cause }

func errorf(kind ErrorKind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

func invalid(err error) *Error {
	return &Error{Kind: Invalid, Message: err.Error(), Cause: err}
}
