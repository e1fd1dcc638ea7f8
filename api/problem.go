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
