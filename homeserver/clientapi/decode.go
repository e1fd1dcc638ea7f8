package clientapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"unicode/utf8"
)

// maxBody bounds the body of a request, in bytes. An event has at most 65,536; createRoom brings several.
const maxBody = 1 << 20

// body reads the request's body, which must be one JSON object. No body at all counts as {}: many clients
// send none where all members are optional.
func (c *call) body() (json.RawMessage, error) {
	text, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, errorf(http.StatusRequestEntityTooLarge, "M_TOO_LARGE", "the request's body has more than %d bytes", maxBody)
	}
	if err != nil {
		return nil, errorf(http.StatusBadRequest, "M_NOT_JSON", "the request's body could not be read: %v", err)
	}
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return json.RawMessage("{}"), nil
	}
	if !utf8.Valid(text) || !json.Valid(text) {
		return nil, errorf(http.StatusBadRequest, "M_NOT_JSON", "the request's body is not JSON in UTF-8")
	}
	if text[0] != '{' {
		return nil, badJSON("the request's body must be a JSON object")
	}
	return text, nil
}

// decode reads the request's body into a struct. Unknown members are ignored, as the specification adds
// some with every version.
func (c *call) decode(into any) error {
	text, err := c.body()
	if err != nil {
		return err
	}
	return decodeJSON(text, into)
}

func decodeJSON(text []byte, into any) error {
	err := json.Unmarshal(text, into)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return badJSON("%q must not be a JSON %s", wrong.Field, wrong.Value)
	}
	if err != nil {
		return badJSON("the request's body does not fit: %v", err)
	}
	return nil
}

// number reads a whole number from the query, which must not be negative.
func (c *call) number(name string, otherwise int) (int, error) {
	text := c.r.URL.Query().Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, invalid("%s=%s: must be a whole number from 0", name, text)
	}
	return n, nil
}

// flag reads true or false from the query; absent is false.
func (c *call) flag(name string) (bool, error) {
	switch text := c.r.URL.Query().Get(name); text {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	default:
		return false, invalid("%s=%s: must be true or false", name, text)
	}
}

func (c *call) query(name string) string { return c.r.URL.Query().Get(name) }
