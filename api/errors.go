package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"meshsim/gateway"
	"meshsim/mesh"
	"meshsim/talk"
	"meshsim/topo"
)

type unknownServerError struct{ id, count int }

func (e *unknownServerError) Error() string {
	if e.count == 0 {
		return fmt.Sprintf("there is no server %d: the mesh is empty", e.id)
	}
	return fmt.Sprintf("there is no server %d: ids are 0 to %d", e.id, e.count-1)
}

type unknownLinkError struct {
	pair   topo.Pair
	pinned bool // whether something is pinned or cut there for the day that the link is made
}

func (e *unknownLinkError) Error() string {
	if e.pinned {
		return fmt.Sprintf("servers %d and %d are not linked now, but pinned or cut: PUT {} here to undo that", e.pair.A, e.pair.B)
	}
	return fmt.Sprintf("servers %d and %d are not linked now: GET /api/v1/links has the pairs that are", e.pair.A, e.pair.B)
}

type noPathError struct{ from, to int }

func (e *noPathError) Error() string {
	return fmt.Sprintf("there is no path from server %d to server %d now", e.from, e.to)
}

// badValueError is a value of a request that is not allowed.
type badValueError struct{ reason string }

func (e *badValueError) Error() string { return e.reason }

func badValue(format string, args ...any) error {
	return &badValueError{reason: fmt.Sprintf(format, args...)}
}

// statusOf is where kinds of errors become HTTP status codes, once for all of the interface.
func statusOf(err error) int {
	if refused, ok := errors.AsType[*mesh.Error](err); ok {
		return meshStatus(refused.Kind)
	}
	switch {
	case isA[*unknownServerError](err), isA[*unknownLinkError](err), isA[*noPathError](err),
		isA[*talk.UnknownRoomError](err), isA[*talk.UnknownServerError](err):
		return http.StatusNotFound
	case isA[*badValueError](err), isA[*talk.RateError](err), isA[*gateway.RateError](err):
		return http.StatusUnprocessableEntity
	case isA[*talk.UnavailableError](err), isA[*notRunningError](err), isA[*notSupportedError](err), isA[*noLogError](err):
		return http.StatusConflict
	case isA[*busyError](err):
		return http.StatusTooManyRequests
	case isA[*talk.RefusedError](err):
		return http.StatusBadGateway
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

func meshStatus(kind mesh.ErrorKind) int {
	switch kind {
	case mesh.NotFound:
		return http.StatusNotFound
	case mesh.Invalid:
		return http.StatusUnprocessableEntity
	case mesh.Conflict:
		return http.StatusConflict
	case mesh.Closed:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

func isA[T error](err error) bool {
	_, ok := errors.AsType[T](err)
	return ok
}

// problemOf is an error as problem details; its sentence is the detail.
func problemOf(err error) error {
	status := statusOf(err)
	return &huma.ErrorModel{Title: http.StatusText(status), Status: status, Detail: err.Error()}
}
