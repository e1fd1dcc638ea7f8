package talk

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// maxAnswer bounds what is kept of a homeserver's answer, in bytes.
const maxAnswer = 16 << 20

// call is one request of the client-server API to one server.
type call struct {
	server int
	what   string // "to join the room", for messages
	method string
	path   string // with query
	token  string
	body   any // nil sends none
}

// do asks the handler directly, without a connection, and decodes a 2xx answer into out. Answers are decoded
// leniently, as the Matrix specification wants it.
func do(ctx context.Context, handler http.Handler, c call, out any) error {
	request, err := newRequest(ctx, c)
	if err != nil {
		return fmt.Errorf("ask server %d %s: %w", c.server, c.what, err)
	}
	answer := &recorder{header: make(http.Header)}
	if err := serve(handler, answer, request); err != nil {
		return &UnavailableError{Server: c.server, Reason: err}
	}
	if err := ctx.Err(); err != nil && answer.status == 0 {
		return &UnavailableError{Server: c.server, Reason: err}
	}
	if status := answer.code(); status < 200 || status > 299 {
		return refusal(c, status, answer.body.Bytes())
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer.body.Bytes(), out); err != nil {
		return &RefusedError{Server: c.server, What: c.what, Status: answer.code(), Message: "with an answer that is no JSON: " + err.Error()}
	}
	return nil
}

func newRequest(ctx context.Context, c call) (*http.Request, error) {
	var body io.Reader = http.NoBody
	if c.body != nil {
		encoded, err := json.Marshal(c.body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, c.method, "http://localhost"+c.path, body)
	if err != nil {
		return nil, err
	}
	request.RequestURI = c.path
	request.RemoteAddr = "127.0.0.1:0"
	request.Header.Set("Content-Type", "application/json")
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	return request, nil
}

// serve calls the handler as net/http would: a panic ends the request, not the process.
func serve(handler http.Handler, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it broke off the request: %v", p)
		}
	}()
	handler.ServeHTTP(w, r)
	return nil
}

func refusal(c call, status int, body []byte) error {
	var standard struct {
		Code    string `json:"errcode"`
		Message string `json:"error"`
	}
	if err := json.Unmarshal(body, &standard); err != nil {
		standard.Message = string(body[:min(len(body), 200)])
	}
	return &RefusedError{Server: c.server, What: c.what, Status: status, Code: standard.Code, Message: standard.Message}
}

// recorder is an http.ResponseWriter that keeps the answer.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= 200 { // 1xx come before the answer
		r.status = status
	}
}

func (r *recorder) Write(data []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	if r.body.Len()+len(data) > maxAnswer {
		return 0, fmt.Errorf("the answer is longer than %d bytes", maxAnswer)
	}
	return r.body.Write(data)
}

func (r *recorder) code() int {
	if r.status == 0 {
		return http.StatusOK
	}
	return r.status
}
