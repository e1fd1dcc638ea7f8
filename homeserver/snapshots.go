package homeserver

import (
	"crypto/sha256"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"weak"

	"meshsim/matrix/stateres"
)

// shards is how many parts the tables of snapshots have, each with a lock of its own. While a thousand servers are in
// one room all of them look for snapshots at the same time, and whoever holds a lock may be the one whose thread the
// machine has just suspended.
const shards = 64

// snapshots are all snapshots that anybody refers to, each once. The zero value is empty.
type snapshots struct {
	numbers atomic.Uint64 // given so far
	shards  [shards]struct {
		mu      sync.RWMutex
		byPrint map[uint64][]weak.Pointer[State]
	}
}

// find is the snapshot with these entries, nil when there is none.
func (t *snapshots) find(ids stateres.State) *State {
	print := ids.Fingerprint()
	shard := &t.shards[print%shards]
	shard.mu.RLock()
	defer shard.mu.RUnlock()
	return among(shard.byPrint[print], ids)
}

func among(pointers []weak.Pointer[State], ids stateres.State) *State {
	for _, pointer := range pointers {
		if known := pointer.Value(); known != nil && known.ids.Equal(ids) {
			return known
		}
	}
	return nil
}

// add gives a new snapshot its number, unless another one with its entries is there: then that is returned.
func (t *snapshots) add(s *State) *State {
	print := s.ids.Fingerprint()
	shard := &t.shards[print%shards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if known := among(shard.byPrint[print], s.ids); known != nil {
		return known
	}
	s.number = t.numbers.Add(1)
	if shard.byPrint == nil {
		shard.byPrint = map[uint64][]weak.Pointer[State]{}
	}
	shard.byPrint[print] = append(shard.byPrint[print], weak.Make(s))
	runtime.AddCleanup(s, t.forget, print)
	return s
}

// forget removes the snapshots with a fingerprint that nobody refers to any more.
func (t *snapshots) forget(print uint64) {
	shard := &t.shards[print%shards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	left := slices.DeleteFunc(shard.byPrint[print], func(p weak.Pointer[State]) bool { return p.Value() == nil })
	if len(left) == 0 {
		delete(shard.byPrint, print)
		return
	}
	shard.byPrint[print] = left
}

// len counts the fingerprints.
func (t *snapshots) len() (n int) {
	for i := range t.shards {
		shard := &t.shards[i]
		shard.mu.RLock()
		n += len(shard.byPrint)
		shard.mu.RUnlock()
	}
	return n
}

// resolutionKey names a set of snapshots whose resolution is remembered.
type resolutionKey [sha256.Size]byte

// maxResolutions is how many of the latest results of state resolution are kept at least.
const maxResolutions = 4096

// resolutions are results of state resolution. The zero value is empty.
type resolutions struct {
	shards [shards]struct {
		mu     sync.RWMutex
		latest map[resolutionKey]*State
		older  map[resolutionKey]*State // those before them
	}
}

// find returns a remembered result.
func (t *resolutions) find(key resolutionKey) (*State, bool) {
	shard := &t.shards[key[0]%shards]
	shard.mu.RLock()
	defer shard.mu.RUnlock()
	if s, ok := shard.latest[key]; ok {
		return s, true
	}
	s, ok := shard.older[key]
	return s, ok
}

func (t *resolutions) add(key resolutionKey, s *State) {
	shard := &t.shards[key[0]%shards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if shard.latest == nil || len(shard.latest) >= maxResolutions/shards {
		shard.older, shard.latest = shard.latest, map[resolutionKey]*State{}
	}
	shard.latest[key] = s
}
