package msc3079

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"io"

	"meshsim/lowband/shorthand"
)

// worthDeflating is from where on a body is tried to be made smaller.
const worthDeflating = 128

// deflate returns a body in the deflate coding (RFC 9110, section 8.4.1.2), where that makes it smaller.
func deflate(body []byte) (smaller []byte, ok bool) {
	if len(body) < worthDeflating {
		return body, false
	}
	var out bytes.Buffer
	w, err := zlib.NewWriterLevel(&out, zlib.BestCompression)
	if err != nil {
		return body, false // cannot be: the level is a constant
	}
	_, err = w.Write(body)
	if err != nil || w.Close() != nil || out.Len() >= len(body) {
		return body, false
	}
	return out.Bytes(), true
}

// inflate undoes deflate, up to a limit.
func inflate(body []byte, limit int) ([]byte, error) {
	r, err := zlib.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("msc3079: a body is not in the deflate coding: %w", err)
	}
	out, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if len(out) > limit {
		return nil, &shorthand.SizeError{Limit: limit}
	}
	if err != nil {
		return nil, fmt.Errorf("msc3079: a body is not in the deflate coding: %w", err)
	}
	return out, nil
}
