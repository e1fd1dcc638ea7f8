package homeserver

import (
	"strconv"
	"testing"
)

// Files without content must not fill the memory either.
func TestEmptyFilesAreBounded(t *testing.T) {
	var m mediaStore
	for i := range 2 * maxCachedMedia / mediaOverhead {
		m.keep(strconv.Itoa(i), Media{})
	}
	if most := maxCachedMedia / mediaOverhead; len(m.cache) > most || len(m.order) != len(m.cache) {
		t.Errorf("%d empty files are kept, at most %d may be", len(m.cache), most)
	}
	if _, ok := m.cache["0"]; ok {
		t.Error("the oldest is still there")
	}
}
