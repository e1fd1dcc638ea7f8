package homeserver

import (
	"errors"
	"fmt"
	"net/http"
)

// Kind says what sort of failure an [Error] is. Code and Status map it to the standard error response of the
// Matrix APIs, the same on the client and on the federation side.
type Kind int

// The kinds of errors.
const (
	Internal              Kind = iota
	BadRequest                 // the arguments make no sense
	InvalidParam               // an argument is outside of what is allowed
	Forbidden                  // the room's rules refuse it
	NotFound                   // no such room, event, alias or user
	AlreadyExists              // the alias is taken
	UserInUse                  // the user name is taken
	InvalidUsername            // the user name is not allowed
	TooLarge                   // the event exceeds the size limits
	UnsupportedVersion         // a room version that this server does not know
	IncompatibleVersion        // a room version that the other server does not know
	UnableToAuthoriseJoin      // a restricted join whose conditions cannot be checked here
	UnableToGrantJoin          // a restricted join that another server could grant
	Unreachable                // no other server answered
	LimitExceeded              // the user has too much of something under way
	CannotOverwrite            // the media has been uploaded already
	NotYetUploaded             // the media is announced only
	UnknownToken               // a token that is worth nothing
	MissingParam               // something that the request needs is not there
	InvalidSignature           // a signature that must be there is not, or is wrong
	NotKept                    // what was done cannot be kept now
)

var kinds = map[Kind]struct {
	code   string
	status int
}{
	Internal:              {"M_UNKNOWN", http.StatusInternalServerError},
	BadRequest:            {"M_BAD_JSON", http.StatusBadRequest},
	InvalidParam:          {"M_INVALID_PARAM", http.StatusBadRequest},
	Forbidden:             {"M_FORBIDDEN", http.StatusForbidden},
	NotFound:              {"M_NOT_FOUND", http.StatusNotFound},
	AlreadyExists:         {"M_ROOM_IN_USE", http.StatusConflict},
	UserInUse:             {"M_USER_IN_USE", http.StatusBadRequest},
	InvalidUsername:       {"M_INVALID_USERNAME", http.StatusBadRequest},
	TooLarge:              {"M_TOO_LARGE", http.StatusRequestEntityTooLarge},
	UnsupportedVersion:    {"M_UNSUPPORTED_ROOM_VERSION", http.StatusBadRequest},
	IncompatibleVersion:   {"M_INCOMPATIBLE_ROOM_VERSION", http.StatusBadRequest},
	UnableToAuthoriseJoin: {"M_UNABLE_TO_AUTHORISE_JOIN", http.StatusBadRequest},
	UnableToGrantJoin:     {"M_UNABLE_TO_GRANT_JOIN", http.StatusBadRequest},
	Unreachable:           {"M_UNKNOWN", http.StatusBadGateway},
	LimitExceeded:         {"M_LIMIT_EXCEEDED", http.StatusTooManyRequests},
	CannotOverwrite:       {"M_CANNOT_OVERWRITE_MEDIA", http.StatusConflict},
	UnknownToken:          {"M_UNKNOWN_TOKEN", http.StatusUnauthorized},
	MissingParam:          {"M_MISSING_PARAM", http.StatusBadRequest},
	InvalidSignature:      {"M_INVALID_SIGNATURE", http.StatusBadRequest},
	NotKept:               {"M_UNKNOWN", http.StatusServiceUnavailable},
	NotYetUploaded:        {"M_NOT_YET_UPLOADED", http.StatusGatewayTimeout},
}

// Code is the errcode of the standard error response.
func (k Kind) Code() string { return kinds[k].code }

// Status is the HTTP status that goes with Code.
func (k Kind) Status() int { return kinds[k].status }

// Error is what every method of [Server] returns for a failure that has a meaning for the caller.
type Error struct {
	Kind    Kind
	Message string // one sentence for people
	Err     error  // the cause, may be nil

	// RoomVersion is the room's, with IncompatibleVersion: the answer to another server must name it.
	RoomVersion string
}

func (e *Error) Error() string {
	if e.Err == nil {
		return e.Message
	}
	return e.Message + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of the first [Error] in err's chain, and Internal when there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

func failf(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

func fail(kind Kind, cause error, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...), Err: cause}
}
