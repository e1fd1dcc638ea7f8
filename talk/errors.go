package talk

import "fmt"

// UnknownRoomError is returned for a room that was not made here.
type UnknownRoomError struct{ Room string }

func (e *UnknownRoomError) Error() string {
	return fmt.Sprintf("there is no room %q here; rooms are made with POST /api/v1/rooms", e.Room)
}

// UnknownServerError is returned for an id that no server has.
type UnknownServerError struct{ Server int }

func (e *UnknownServerError) Error() string { return fmt.Sprintf("there is no server %d", e.Server) }

// UnavailableError is returned for a server that cannot be asked now, because it does not run.
type UnavailableError struct {
	Server int
	Reason error
}

func (e *UnavailableError) Error() string {
	return fmt.Sprintf("server %d cannot be asked now: %v", e.Server, e.Reason)
}

func (e *UnavailableError) Unwrap() error { return e.Reason }

// RefusedError is a homeserver's own refusal (client-server specification, "Standard error response").
type RefusedError struct {
	Server  int
	What    string // what was asked for, e.g. "to send a message"
	Status  int    // of the HTTP response
	Code    string // "M_FORBIDDEN"; empty where the response is not a Matrix error
	Message string
}

func (e *RefusedError) Error() string {
	if e.Status >= 500 {
		return fmt.Sprintf("server %d was not able %s: %d %s %s", e.Server, e.What, e.Status, e.Code, e.Message)
	}
	return fmt.Sprintf("server %d refused %s: %d %s %s", e.Server, e.What, e.Status, e.Code, e.Message)
}
