package clientapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"meshsim/homeserver"
)

// apiError is a standard error response (client-server API, standard error response).
type apiError struct {
	status  int
	code    string
	message string
	extra   map[string]any // further members of the body
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

func errorf(status int, code, format string, args ...any) *apiError {
	return &apiError{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

func badJSON(format string, args ...any) *apiError {
	return errorf(http.StatusBadRequest, "M_BAD_JSON", format, args...)
}

func missing(format string, args ...any) *apiError {
	return errorf(http.StatusBadRequest, "M_MISSING_PARAM", format, args...)
}

func invalid(format string, args ...any) *apiError {
	return errorf(http.StatusBadRequest, "M_INVALID_PARAM", format, args...)
}

func forbidden(format string, args ...any) *apiError {
	return errorf(http.StatusForbidden, "M_FORBIDDEN", format, args...)
}

func notFound(format string, args ...any) *apiError {
	return errorf(http.StatusNotFound, "M_NOT_FOUND", format, args...)
}

// asAPIError maps every error to the response that stands for it. Only failures of our own hide what they say.
func asAPIError(err error) *apiError {
	var ours *apiError
	if errors.As(err, &ours) {
		return ours
	}
	var failure *homeserver.Error
	if errors.As(err, &failure) {
		out := errorf(failure.Kind.Status(), failure.Kind.Code(), "%s", failure.Error())
		if failure.RoomVersion != "" {
			out.extra = map[string]any{"room_version": failure.RoomVersion}
		}
		return out
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return errorf(http.StatusGatewayTimeout, "M_UNKNOWN", "the request ended before it was answered: try again")
	}
	return errorf(http.StatusInternalServerError, "M_UNKNOWN", "the server failed: %v", err)
}

func (e *apiError) body() map[string]any {
	body := map[string]any{}
	if e.code != "" {
		body["errcode"], body["error"] = e.code, e.message
	}
	for name, value := range e.extra {
		body[name] = value
	}
	return body
}
