package fabric

import "testing"

func TestBuffersFitWhatTheyHold(t *testing.T) {
	for n := range buffer68K + 2 {
		b := Alloc(n)
		if len(b) != n {
			t.Fatalf("Alloc(%d) has %d bytes", n, len(b))
		}
		if n > buffer2K && 2*cap(b) >= 7*n {
			t.Fatalf("Alloc(%d) takes %d bytes", n, cap(b))
		}
		Free(b)
	}
}

// TestForeignBuffersAreLeftAlone frees what is no whole buffer.
func TestForeignBuffersAreLeftAlone(t *testing.T) {
	Free(nil)
	Free(make([]byte, 10)[3:])
	for _, n := range []int{1, buffer2K, buffer6K, buffer20K, buffer68K} {
		Free(Alloc(n)[n/2:])
		if b := Alloc(n); len(b) != n {
			t.Errorf("Alloc(%d) has %d bytes", n, len(b))
		}
	}
}
