package lowband

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"meshsim/lowband/coap"
	"meshsim/lowband/shorthand"
)

// RoundTrip implements http.RoundTripper. The host of the request's URL is a Matrix server name. It gives up when the
// request's context ends, or when the peer is silent for as long as package coap tries. A GET, PUT or DELETE whose
// session is lost is sent again in a new one.
func (e *Endpoint) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := readBody(req, e.cfg.MaxBody)
	if err != nil {
		return nil, err
	}
	short := shorthand.Request{Method: req.Method, Target: req.URL.RequestURI(), Header: req.Header, Body: body}
	line := req.Method + " " + short.Target
	e.cfg.Tap.Note(true, "HTTP request", HTTPSize(line+" HTTP/1.1", req.Header, len(body)), func() string { return line + " " + string(body) })
	for {
		res, err := e.try(req.Context(), req.URL.Host, short)
		switch {
		case err == nil:
			line := fmt.Sprintf("HTTP/1.1 %d %s", res.Status, http.StatusText(res.Status))
			e.cfg.Tap.Note(false, "HTTP answer", HTTPSize(line, res.Header, len(res.Body)), func() string { return line + " " + string(res.Body) })
			return httpResponse(req, res), nil
		case !errors.Is(err, coap.ErrClosed) && !errors.Is(err, coap.ErrReset):
			return nil, err
		case e.ctx.Err() != nil:
			return nil, ErrClosed
		case req.Context().Err() != nil:
			return nil, context.Cause(req.Context())
		case !repeatable(req.Method):
			return nil, &SessionError{Name: req.URL.Host, Method: req.Method}
		}
	}
}

// repeatable tells whether a request may be sent again although it may have been handled (RFC 9110, section 9.2.2).
func repeatable(method string) bool {
	return method == http.MethodGet || method == http.MethodPut || method == http.MethodDelete
}

func readBody(req *http.Request, limit int) ([]byte, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return nil, nil
	}
	defer req.Body.Close()
	body, err := io.ReadAll(io.LimitReader(req.Body, int64(limit)+1))
	if err != nil {
		return nil, fmt.Errorf("lowband: read the body of the request: %w", err)
	}
	if len(body) > limit {
		return nil, &shorthand.SizeError{Limit: limit}
	}
	return body, nil
}

// try sends a request in the present session.
func (e *Endpoint) try(ctx context.Context, name string, req shorthand.Request) (shorthand.Response, error) {
	t, err := e.begin(name)
	if err != nil {
		return shorthand.Response{}, err
	}
	defer e.finish(t)
	ctx, counted := t.metered(ctx)
	defer counted()
	res, err := e.tryIn(ctx, t, req)
	if refused := e.refused(t); err != nil && refused != nil {
		return res, fmt.Errorf("lowband: session with %s: %w", name, refused)
	}
	return res, err
}

func (e *Endpoint) tryIn(ctx context.Context, t *talk, req shorthand.Request) (shorthand.Response, error) {
	dictionary := min(int(t.session.Hint()), shorthand.DictionaryVersion)
	res, err := e.ask(ctx, t, req, t.table, dictionary)
	var refused *RefusedError
	switch {
	case errors.As(err, &refused) && (refused.Code == codeUnknownReference || refused.Code == codeUnknownDictionary):
		return e.ask(ctx, t, req, nil, 0)
	case errors.Is(err, shorthand.ErrUnknownReference) && repeatable(req.Method):
		return e.ask(ctx, t, req, nil, 0)
	}
	return res, err
}

// ask sends a request once.
func (e *Endpoint) ask(ctx context.Context, t *talk, req shorthand.Request, table *shorthand.Table, dictionary int) (shorthand.Response, error) {
	payload, sent := e.cfg.Coder.EncodeRequest(req, table, dictionary)
	e.notePayload(true, "request", payload)
	answer, err := t.coap.Do(ctx, coap.Request{Method: methodCode(req.Method), Payload: payload})
	if err != nil {
		return shorthand.Response{}, err
	}
	if len(answer.Payload) == 0 {
		return shorthand.Response{}, &RefusedError{Name: t.peer, Code: answer.Code}
	}
	sent.Acknowledge()
	e.notePayload(false, "answer", answer.Payload)
	return e.cfg.Coder.DecodeResponse(answer.Payload, coap.CodeStatus(answer.Code), t.table, e.cfg.MaxBody)
}

// notePayload tells the tap what a payload is and, where it is deflated, what it is without: in the order in which they are made.
func (e *Endpoint) notePayload(sent bool, kind string, payload []byte) {
	if e.cfg.Tap.Step == nil {
		return
	}
	item, deflated, err := e.cfg.Coder.Item(payload, e.cfg.MaxBody)
	if err != nil {
		return
	}
	if deflated && !sent {
		e.cfg.Tap.Note(sent, "deflated "+kind, len(payload), nil)
	}
	e.cfg.Tap.Note(sent, "CBOR "+kind, len(item), func() string { return shorthand.Diagnose(item) })
	if deflated && sent {
		e.cfg.Tap.Note(sent, "deflated "+kind, len(payload), nil)
	}
}

func httpResponse(req *http.Request, res shorthand.Response) *http.Response {
	return &http.Response{
		Status:        fmt.Sprintf("%d %s", res.Status, http.StatusText(res.Status)),
		StatusCode:    res.Status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        res.Header,
		Body:          io.NopCloser(bytes.NewReader(res.Body)),
		ContentLength: int64(len(res.Body)),
		Request:       req,
	}
}
