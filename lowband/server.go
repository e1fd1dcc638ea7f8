package lowband

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

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
	e.notePayload(false, "request", req.Payload)
	line := short.Method + " " + short.Target
	e.cfg.Tap.Note(false, "HTTP request", HTTPSize(line+" HTTP/1.1", short.Header, len(short.Body)), func() string { return line + " " + string(short.Body) })
	in, err := e.httpRequest(ctx, t, short)
	if err != nil {
		return coap.Response{Code: codeMalformed}
	}
	res := Answer(e.cfg.Handler, in, e.cfg.MaxBody, e.cfg.Logger)
	// An answer may refer to what the request has told, unless that did without, because references had failed.
	table := t.table
	if !shorthand.UsesTable(req.Payload) {
		table = nil
	}
	status := fmt.Sprintf("HTTP/1.1 %d %s", res.Status, http.StatusText(res.Status))
	e.cfg.Tap.Note(true, "HTTP answer", HTTPSize(status, res.Header, len(res.Body)), func() string { return status + " " + string(res.Body) })
	code := coap.StatusCode(res.Status)
	dictionary := min(int(t.session.Hint()), shorthand.DictionaryVersion)
	payload, sent := e.cfg.Coder.EncodeResponse(res, coap.CodeStatus(code), table, dictionary)
	e.notePayload(true, "answer", payload)
	if repeatable(short.Method) {
		// The peer will have this answer before the next one, or ask again without references.
		sent.Acknowledge()
	}
	return coap.Response{Code: code, Payload: payload}
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
