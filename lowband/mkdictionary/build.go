package main

import (
	"bytes"
	"cmp"
	"slices"
)

// Lengths of the substrings that are looked at. Deflate copies no fewer than three bytes; four are the fewest that are
// worth it.
const (
	shortest = 4
	longest  = 64
	// worthwhile is how many bytes a substring must save to be taken.
	worthwhile = 8
)

// candidate is a substring and how many samples it occurs in.
type candidate struct {
	text    string
	samples int
}

// saved estimates the bytes that a substring saves: a copy costs about three. What occurs in one sample counts, too:
// samples are what servers say in these words again and again.
func (c candidate) saved() int { return c.samples * (len(c.text) - 3) }

// build makes a dictionary of at most size bytes. It takes the substring that saves most, marks its places as covered,
// counts what is left and so on.
func build(samples [][]byte, size int) []byte {
	rest := make([][]byte, len(samples))
	for i, s := range samples {
		rest[i] = bytes.Clone(s)
	}
	var chosen []string
	for used := 0; used < size; {
		best := pick(rest)
		if best.saved() < worthwhile {
			break
		}
		chosen = append(chosen, best.text)
		used += len(best.text)
		for i := range rest {
			rest[i] = bytes.ReplaceAll(rest[i], []byte(best.text), []byte{covered})
		}
	}
	slices.Reverse(chosen)
	var dictionary []byte
	for _, text := range chosen {
		dictionary = append(dictionary, text...)
	}
	return dictionary[max(0, len(dictionary)-size):]
}

// covered stands for what is in the dictionary already; no substring with it is taken. CBOR's reserved initial byte
// occurs in no sample but within strings of bytes.
const covered = 0xfc

// pick finds the substring that saves most; of equals, the first in order, so that the result is always the same.
func pick(samples [][]byte) candidate {
	counts := map[string]int{}
	for _, s := range samples {
		seen := map[string]bool{}
		for start := range s {
			for length := shortest; length <= longest && start+length <= len(s); length++ {
				if s[start+length-1] == covered {
					break
				}
				seen[string(s[start:start+length])] = true
			}
		}
		for text := range seen {
			counts[text]++
		}
	}
	best := candidate{}
	for text, n := range counts {
		c := candidate{text, n}
		if d := cmp.Compare(c.saved(), best.saved()); d > 0 || d == 0 && c.text < best.text {
			best = c
		}
	}
	return best
}
