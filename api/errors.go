package api

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

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

type unknownLinkError struct{ pair topo.Pair }

func (e *unknownLinkError) Error() string {
	return fmt.Sprintf("servers %d and %d are not linked now", e.pair.A, e.pair.B)
}

type sameEndsError struct{ id int }

func (e *sameEndsError) Error() string {
	return fmt.Sprintf("a link has two different ends, both are server %d", e.id)
}

type noPathError struct{ from, to int }

func (e *noPathError) Error() string {
	return fmt.Sprintf("there is no path from server %d to server %d now", e.from, e.to)
}

// status is where kinds of errors become HTTP status codes, once for all of the interface.
func status(err error) int {
	switch {
	case isA[*unknownServerError](err), isA[*unknownLinkError](err), isA[*noPathError](err),
		isA[*talk.UnknownRoomError](err), isA[*talk.UnknownServerError](err):
		return http.StatusNotFound
	case isA[*sameEndsError](err):
		return http.StatusUnprocessableEntity
	case isA[*talk.UnavailableError](err):
		return http.StatusConflict
	case isA[*talk.RefusedError](err):
		return http.StatusBadGateway
	}
	return http.StatusInternalServerError
}

func isA[T error](err error) bool {
	var target T
	return errors.As(err, &target)
}

// problemOf is an error as problem details; its sentence is the detail.
func problemOf(err error) error {
	code := status(err)
	return &huma.ErrorModel{Title: http.StatusText(code), Status: code, Detail: err.Error()}
}
