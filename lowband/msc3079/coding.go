package msc3079

import (
	"bytes"
	"compress/zlib"
	_ "embed"
	"fmt"
	"io"
	"sync"

	"meshsim/lowband/shorthand"
)

// dictionary1 is what recurs in the client-server API once it is in CBOR with integer keys. It was made by
// lowband/mkdictionary from the samples there. A dictionary is never changed; a better one has a format of its own.
//
//go:embed dictionary1.bin
var dictionary1 []byte

// worthDeflating is from where on a body is tried to be made smaller.
const worthDeflating = 48

// coding is CBOR in the deflate coding (RFC 9110, section 8.4.1.2), which is zlib's format (RFC 1950), with or without a
// preset dictionary. It is safe for concurrent use.
type coding struct {
	dictionary []byte // nil for none
	writers    sync.Pool
}

func newCoding(dictionary []byte) *coding {
	return &coding{dictionary: dictionary, writers: sync.Pool{New: func() any {
		w, err := zlib.NewWriterLevelDict(io.Discard, zlib.BestCompression, dictionary)
		if err != nil {
			panic(err) // the level is a constant
		}
		return w
	}}}
}

// codings are those that are known, by content format.
type codings map[uint16]*coding

func newCodings() codings {
	return codings{formatDeflated: newCoding(nil), formatDictionary1: newCoding(dictionary1)}
}

// deflate returns a body in the coding, where that makes it smaller.
func (c *coding) deflate(body []byte) (smaller []byte, ok bool) {
	if len(body) < worthDeflating {
		return body, false
	}
	w := c.writers.Get().(*zlib.Writer)
	defer c.writers.Put(w)
	var out bytes.Buffer
	w.Reset(&out)
	if _, err := w.Write(body); err != nil || w.Close() != nil || out.Len() >= len(body) {
		return body, false
	}
	return out.Bytes(), true
}

// inflate undoes deflate, up to a limit.
func (c *coding) inflate(body []byte, limit int) ([]byte, error) {
	r, err := zlib.NewReaderDict(bytes.NewReader(body), c.dictionary)
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
