package shorthand

import (
	"bytes"
	"compress/flate"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"sync"
)

// dictionary1 is version 1 of the preset dictionary: what recurs in Matrix traffic once it is in shorthand. It was made
// by lowband/mkdictionary from the samples there. A version is never changed; a better dictionary is a new one.
//
//go:embed dictionary1.bin
var dictionary1 []byte

// DictionaryVersion is the newest version of the preset dictionary that is known here; 0 means no compression.
const DictionaryVersion = 1

// minDeflated is the size from which on deflating is tried.
const minDeflated = 48

// Coder holds the tables and the buffers that messages are coded with. It is safe for concurrent use; one is enough for
// a process.
type Coder struct {
	names   *names
	writers sync.Pool // of *flate.Writer
	readers sync.Pool // of io.ReadCloser, flate.Resetter
}

// NewCoder makes a Coder.
func NewCoder() *Coder {
	return &Coder{
		names: newNames(),
		writers: sync.Pool{New: func() any {
			w, err := flate.NewWriterDict(io.Discard, flate.BestCompression, dictionary1)
			if err != nil {
				panic(err) // the level is a constant
			}
			return w
		}},
		readers: sync.Pool{New: func() any {
			return flate.NewReaderDict(bytes.NewReader(nil), dictionary1)
		}},
	}
}

// deflate compresses data; nil when that does not make them smaller.
func (c *Coder) deflate(data []byte) []byte {
	if len(data) < minDeflated {
		return nil
	}
	w := c.writers.Get().(*flate.Writer)
	defer c.writers.Put(w)
	var out bytes.Buffer
	w.Reset(&out)
	if _, err := w.Write(data); err != nil {
		return nil
	}
	if w.Close() != nil || out.Len() >= len(data) {
		return nil
	}
	return out.Bytes()
}

// inflate undoes deflate. It gives up as soon as the result is larger than limit.
func (c *Coder) inflate(data []byte, limit int) ([]byte, error) {
	r := c.readers.Get().(io.ReadCloser)
	defer c.readers.Put(r)
	if err := r.(flate.Resetter).Reset(bytes.NewReader(data), dictionary1); err != nil {
		return nil, fmt.Errorf("shorthand: inflate a message: %w", err)
	}
	out, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if len(out) > limit {
		return nil, &SizeError{limit}
	}
	if err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, &FormatError{Offset: len(out), Reason: "the compressed data end too early"}
		}
		return nil, &FormatError{Offset: len(out), Reason: err.Error()}
	}
	return out, nil
}
