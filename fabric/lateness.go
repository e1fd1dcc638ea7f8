package fabric

import (
	"math/bits"
	"time"
)

// latenessBuckets is how many buckets a [Lateness] has: four to each doubling from 1 us to 2 s.
const latenessBuckets = 80

// Lateness is a histogram of by how much packets were late. Its buckets are a quarter of a power of two
// wide. The zero value is empty.
type Lateness struct {
	counts [latenessBuckets]uint64
}

func (l *Lateness) add(d time.Duration) { l.counts[latenessBucket(d)]++ }

func latenessBucket(d time.Duration) int {
	us := uint64(max(0, d) / time.Microsecond)
	if us < 4 {
		return int(us)
	}
	octave := bits.Len64(us) - 3 // of the top three bits, the first is set
	return min(4*octave+int(us>>octave), latenessBuckets-1)
}

// bucketEnd is the upper bound of a bucket.
func bucketEnd(i int) time.Duration {
	if i < 4 {
		return time.Duration(i+1) * time.Microsecond
	}
	octave := i/4 - 1
	return time.Duration((i%4+5)<<octave) * time.Microsecond
}

// Count is how many packets it has seen.
func (l *Lateness) Count() uint64 {
	var n uint64
	for _, c := range l.counts {
		n += c
	}
	return n
}

// Quantile returns an upper bound, at most a quarter too high, of the q-th quantile (0 to 1), and 0 for an
// empty histogram. What is later than 2 s counts as 2 s.
func (l *Lateness) Quantile(q float64) time.Duration {
	rank := q * float64(l.Count())
	var seen uint64
	last := time.Duration(0)
	for i, c := range l.counts {
		if c == 0 {
			continue
		}
		seen += c
		last = bucketEnd(i)
		if float64(seen) >= rank {
			break
		}
	}
	return last
}

// Sub returns what was added since before, an earlier state of the same histogram.
func (l Lateness) Sub(before Lateness) Lateness {
	for i := range l.counts {
		l.counts[i] -= before.counts[i]
	}
	return l
}
