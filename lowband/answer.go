package lowband

import (
	"bytes"
	"log/slog"
	"net/http"
	"runtime/debug"

	"meshsim/lowband/shorthand"
)

// Answer calls a handler as net/http would: a panic ends the request, not the process. An answer of more than limit
// bytes becomes an error.
func Answer(h http.Handler, req *http.Request, limit int, log *slog.Logger) shorthand.Response {
	w := &writer{header: http.Header{}, limit: limit}
	serve(w, h, req, log)
	return w.response()
}

func serve(w *writer, h http.Handler, req *http.Request, log *slog.Logger) {
	defer func() {
		reason := recover()
		if reason == nil {
			return
		}
		w.broken = true
		if reason != http.ErrAbortHandler {
			log.Error("a handler panicked", "server", req.Host, "path", req.URL.Path, "reason", reason, "stack", string(debug.Stack()))
		}
	}()
	h.ServeHTTP(w, req)
}

// writer collects a handler's answer.
type writer struct {
	header http.Header
	sent   http.Header // as it was when the status was written
	status int
	body   bytes.Buffer
	limit  int
	over   bool
	broken bool // the handler panicked
}

// Header implements http.ResponseWriter.
func (w *writer) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *writer) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
		w.sent = w.header.Clone()
	}
}

// Write implements http.ResponseWriter.
func (w *writer) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.body.Len()+len(b) > w.limit {
		w.over = true
		return 0, &shorthand.SizeError{Limit: w.limit}
	}
	return w.body.Write(b)
}

// tooLarge answers in place of a body that is larger than is carried.
const tooLarge = `{"errcode":"M_TOO_LARGE","error":"the answer is larger than this transport carries"}`

// brokenOff answers in place of a handler that panicked.
const brokenOff = `{"errcode":"M_UNKNOWN","error":"the server broke off the request"}`

func (w *writer) response() shorthand.Response {
	w.WriteHeader(http.StatusOK)
	if w.broken {
		return shorthand.Response{Status: http.StatusInternalServerError, Header: http.Header{}, Body: []byte(brokenOff)}
	}
	if w.over {
		return shorthand.Response{Status: http.StatusBadGateway, Header: http.Header{}, Body: []byte(tooLarge)}
	}
	return shorthand.Response{Status: w.status, Header: w.sent, Body: w.body.Bytes()}
}
