package api

import (
	"encoding/binary"
	"io"
)

// captureWriter passes a pcapng file on to a reader as it grows, and ends it after a number of packets. A
// pcapng file is a row of blocks, each with its type and its length in front (pcapng, "General Block
// Structure"), here in little-endian as the fabric writes them.
type captureWriter struct {
	out     io.Writer
	flush   func() error
	bounded bool
	left    int // packets still wanted, where bounded

	head  []byte // of a block whose type and length are not complete
	block int    // bytes left of the block that is being passed on
}

// captureFullError ends a capture that has as many packets as were asked for.
type captureFullError struct{}

func (*captureFullError) Error() string { return "the capture has as many packets as were asked for" }

const (
	blockHead      = 8 // bytes of type and length
	enhancedPacket = 6 // block type
)

// Write implements io.Writer. It fails with *captureFullError after the last packet that was asked for.
func (w *captureWriter) Write(data []byte) (int, error) {
	n, full := len(data), error(nil)
	if w.bounded {
		n, full = w.wanted(data)
	}
	if _, err := w.out.Write(data[:n]); err != nil {
		return 0, err
	}
	if err := w.flush(); err != nil {
		return 0, err
	}
	if full != nil {
		return n, full
	}
	return len(data), nil
}

// wanted says how many bytes to pass on: all, or up to the end of the last packet that was asked for.
func (w *captureWriter) wanted(data []byte) (int, error) {
	for at := 0; at < len(data); {
		if w.block == 0 {
			at += w.readHead(data[at:])
			continue
		}
		n := min(w.block, len(data)-at)
		w.block -= n
		at += n
		if w.block == 0 && w.left == 0 {
			return at, &captureFullError{}
		}
	}
	return len(data), nil
}

// readHead reads the type and length of a block, as far as they are there, and returns their size.
func (w *captureWriter) readHead(data []byte) int {
	n := min(blockHead-len(w.head), len(data))
	w.head = append(w.head, data[:n]...)
	if len(w.head) < blockHead {
		return n
	}
	if binary.LittleEndian.Uint32(w.head) == enhancedPacket {
		w.left--
	}
	w.block = max(0, int(binary.LittleEndian.Uint32(w.head[4:]))-blockHead)
	w.head = w.head[:0]
	return n
}
