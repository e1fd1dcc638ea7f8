package fabric

import "sync"

// The size classes of pooled buffers, in bytes. The smallest takes packets of the usual MTU, the largest any
// superpacket; those in between keep what waits on long links from taking much more memory than it has bytes: a
// buffer beyond the smallest is less than 3.5 times as long as what it holds.
const (
	buffer2K  = 2 << 10
	buffer6K  = 6 << 10
	buffer20K = 20 << 10
	buffer68K = 68 << 10
)

var (
	pool2K  = sync.Pool{New: func() any { return new([buffer2K]byte) }}
	pool6K  = sync.Pool{New: func() any { return new([buffer6K]byte) }}
	pool20K = sync.Pool{New: func() any { return new([buffer20K]byte) }}
	pool68K = sync.Pool{New: func() any { return new([buffer68K]byte) }}
)

// Alloc returns a buffer of n bytes with arbitrary contents. The caller owns it; ownership passes on with
// Send, Deliver or [Free].
func Alloc(n int) []byte {
	switch {
	case n <= buffer2K:
		return pool2K.Get().(*[buffer2K]byte)[:n]
	case n <= buffer6K:
		return pool6K.Get().(*[buffer6K]byte)[:n]
	case n <= buffer20K:
		return pool20K.Get().(*[buffer20K]byte)[:n]
	case n <= buffer68K:
		return pool68K.Get().(*[buffer68K]byte)[:n]
	}
	return make([]byte, n)
}

// flightSize is what a packet on a link takes beside its buffer, in bytes: its place in the queue, which grows by a
// quarter at a time and may be half empty (TestMemoryOfAFlood measures it).
const flightSize = 256

// footprint is the memory that a packet takes while it waits, in bytes. That of a short one is a whole buffer.
func footprint(data []byte) int { return cap(data) + flightSize }

// Free gives a buffer back for reuse; nobody may use it afterwards. A slice that is not a whole buffer of
// Alloc's is left to the garbage collector, so freeing any owned slice is safe.
func Free(b []byte) {
	switch cap(b) {
	case buffer2K:
		pool2K.Put((*[buffer2K]byte)(b[:buffer2K]))
	case buffer6K:
		pool6K.Put((*[buffer6K]byte)(b[:buffer6K]))
	case buffer20K:
		pool20K.Put((*[buffer20K]byte)(b[:buffer20K]))
	case buffer68K:
		pool68K.Put((*[buffer68K]byte)(b[:buffer68K]))
	}
}
