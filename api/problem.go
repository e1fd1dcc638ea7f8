package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"
)

// sentences is a transformer that turns the list of what is wrong with a request into one sentence in
// "detail" (RFC 9457, section 3.1.4), which names each value and what is allowed. The list stays for
// programs.
func sentences(_ huma.Context, _ string, v any) (any, error) {
	problem, ok := v.(*huma.ErrorModel)
	if !ok || len(problem.Errors) == 0 {
		return v, nil
	}
	parts := make([]string, 0, len(problem.Errors))
	for _, e := range problem.Errors {
		e.Message = allowed(e.Message)
		parts = append(parts, sentence(e))
	}
	problem.Detail = strings.Join(parts, "; ")
	return problem, nil
}

// allowed replaces the one message that does not say what is allowed: only Bandwidth has alternatives.
func allowed(message string) string {
	if message == validation.MsgExpectedMatchExactlyOneSchema {
		return "expected " + bandwidthRule
	}
	return message
}

func sentence(e *huma.ErrorDetail) string {
	if e.Location == "" {
		return e.Message
	}
	name := strings.TrimPrefix(e.Location, "body.")
	if e.Value == nil || e.Location == "body" {
		return name + ": " + e.Message
	}
	return fmt.Sprintf("%s is %s: %s", name, shown(e.Value), e.Message)
}

// shown is a value of a request as a sentence quotes it, shortened to what a reader takes in.
func shown(value any) string {
	const most = 80
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprintf("%T", value)
	}
	if len(text) > most {
		return strings.ToValidUTF8(string(text[:most]), "") + "..."
	}
	return string(text)
}

// writeProblem answers requests that do not reach an operation.
func writeProblem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	problem := huma.ErrorModel{Title: http.StatusText(status), Status: status, Detail: detail}
	_ = json.NewEncoder(w).Encode(&problem) // the reader is gone: nobody is left to tell
}

// problems answers with problem details where the mux has no operation for a request.
func problems(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler, pattern := mux.Handler(r)
		if pattern != "" {
			readCurl(r)
			mux.ServeHTTP(w, r)
			return
		}
		refused := &statusOnly{header: w.Header()}
		handler.ServeHTTP(refused, r)
		detail := fmt.Sprintf("there is nothing at %s; what there is stands in %s/openapi.json", quoted(r.URL.Path), prefix)
		if allow := w.Header().Get("Allow"); refused.status == http.StatusMethodNotAllowed {
			detail = fmt.Sprintf("%s cannot be done here: allowed are %s", quoted(r.Method), allow)
		}
		w.Header().Del("Content-Length")
		writeProblem(w, refused.status, detail)
	})
}

// readCurl takes a body that claims to be a form for the JSON that it has to be: curl -d says so unless told
// otherwise. That lets no other page's form in, because the guard stands before.
func readCurl(r *http.Request) {
	if r.Header.Get("Content-Type") == "application/x-www-form-urlencoded" {
		r.Header.Set("Content-Type", "application/json")
	}
}

// statusOnly is an http.ResponseWriter that keeps the status and the header.
type statusOnly struct {
	header http.Header
	status int
}

func (s *statusOnly) Header() http.Header { return s.header }

func (s *statusOnly) WriteHeader(status int) { s.status = status }

func (s *statusOnly) Write(p []byte) (int, error) { return len(p), nil }
