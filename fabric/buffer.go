package fabric

import "sync"

// The size classes of pooled buffers, in bytes: one for packets of a usual MTU, one for superpackets.
const (
	smallBuffer = 2 << 10
	largeBuffer = 68 << 10
)

var (
	smallPool = sync.Pool{New: func() any { return new([smallBuffer]byte) }}
	largePool = sync.Pool{New: func() any { return new([largeBuffer]byte) }}
)

// Alloc returns a buffer of n bytes with arbitrary contents. The caller owns it; ownership passes on with
// Send, Deliver or [Free].
func Alloc(n int) []byte {
	switch {
	case n <= smallBuffer:
		return smallPool.Get().(*[smallBuffer]byte)[:n]
	case n <= largeBuffer:
		return largePool.Get().(*[largeBuffer]byte)[:n]
	}
	return make([]byte, n)
}

// Free gives a buffer back for reuse; nobody may use it afterwards. A slice that is not a whole buffer of
// Alloc's is left to the garbage collector, so freeing any owned slice is safe.
func Free(b []byte) {
	switch cap(b) {
	case smallBuffer:
		smallPool.Put((*[smallBuffer]byte)(b[:smallBuffer]))
	case largeBuffer:
		largePool.Put((*[largeBuffer]byte)(b[:largeBuffer]))
	}
}
