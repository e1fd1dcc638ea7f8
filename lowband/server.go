package lowband

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"runtime/debug"

	"meshsim/lowband/coap"
	"meshsim/lowband/shorthand"
)

// handle answers a peer's request with what the http.Handler says.
func (e *Endpoint) handle(ctx context.Context, t *talk, req coap.Request) coap.Response {
	short, err := e.cfg.Coder.DecodeRequest(req.Payload, codeMethod(req.Method), t.table, e.cfg.MaxBody)
	var version *shorthand.VersionError
	switch {
	case errors.Is(err, shorthand.ErrUnknownReference):
		return coap.Response{Code: codeUnknownReference}
	case errors.As(err, &version):
		return coap.Response{Code: codeUnknownDictionary}
	case err != nil || short.Method == "":
		return coap.Response{Code: codeMalformed}
	}
	in, err := e.httpRequest(ctx, t, short)
	if err != nil {
		return coap.Response{Code: codeMalformed}
	}
	w := &writer{header: http.Header{}, limit: e.cfg.MaxBody}
	e.serve(w, in)
	res := w.response()
	// An answer may refer to what the request has told, unless that did without, because references had failed.
	table := t.table
	if !shorthand.UsesTable(req.Payload) {
		table = nil
	}
	code := statusCode(res.Status)
	dictionary := min(int(t.session.Hint()), shorthand.DictionaryVersion)
	payload, sent := e.cfg.Coder.EncodeResponse(res, codeStatus(code), table, dictionary)
	if repeatable(short.Method) {
		// The peer will have this answer before the next one, or ask again without references.
		sent.Acknowledge()
	}
	return coap.Response{Code: code, Payload: payload}
}

// serve calls the handler as net/http would: a panic ends the request, not the process.
func (e *Endpoint) serve(w *writer, req *http.Request) {
	defer func() {
		reason := recover()
		if reason == nil {
			return
		}
		w.broken = true
		if reason != http.ErrAbortHandler {
			e.cfg.Logger.Error("a handler panicked", "server", e.cfg.Name, "path", req.URL.Path, "reason", reason, "stack", string(debug.Stack()))
		}
	}()
	e.cfg.Handler.ServeHTTP(w, req)
}

func (e *Endpoint) httpRequest(ctx context.Context, t *talk, short shorthand.Request) (*http.Request, error) {
	target, err := url.ParseRequestURI(short.Target)
	if err != nil {
		return nil, err
	}
	req := &http.Request{
		Method: short.Method, URL: target, RequestURI: short.Target, Host: e.cfg.Name, Header: short.Header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, RemoteAddr: t.peer,
		Body: http.NoBody, ContentLength: int64(len(short.Body)),
	}
	if short.Body != nil {
		req.Body = io.NopCloser(bytes.NewReader(short.Body))
	}
	return req.WithContext(ctx), nil
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
