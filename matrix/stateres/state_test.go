package stateres_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"meshsim/matrix"
	"meshsim/matrix/event"
	"meshsim/matrix/stateres"
)

// model is the map that a State must behave like.
type model map[event.Key]matrix.EventID

func (m model) keys() []event.Key {
	return slices.SortedFunc(maps.Keys(m), event.Key.Compare)
}

func toState(m model) stateres.State {
	var s stateres.State
	for key, id := range m {
		s = s.With(key, id)
	}
	return s
}

func genKey(t *rapid.T) event.Key {
	return event.Key{
		Type:     rapid.SampledFrom([]string{"a", "b", "m.room.member", ""}).Draw(t, "type"),
		StateKey: fmt.Sprint(rapid.IntRange(0, 12).Draw(t, "key")),
	}
}

func genModel(t *rapid.T) model {
	m := model{}
	for range rapid.IntRange(0, 40).Draw(t, "size") {
		m[genKey(t)] = matrix.EventID(fmt.Sprint("$", rapid.IntRange(0, 3).Draw(t, "id")))
	}
	return m
}

// build makes a State from a model, by detours that must leave no trace.
func build(t *rapid.T, m model) stateres.State {
	var s stateres.State
	for range rapid.IntRange(0, 5).Draw(t, "detours") {
		s = s.With(genKey(t), "$detour")
	}
	for _, key := range rapid.Permutation(m.keys()).Draw(t, "order") {
		s = s.With(key, m[key])
	}
	for key := range s.All() {
		if _, wanted := m[key]; !wanted {
			s = s.Without(key)
		}
	}
	return s
}

func checkState(t *rapid.T, s stateres.State, m model) {
	if s.Len() != len(m) {
		t.Fatalf("%d entries, want %d", s.Len(), len(m))
	}
	var keys []event.Key
	for key, id := range s.All() {
		if m[key] != id {
			t.Fatalf("%v is %s, want %s", key, id, m[key])
		}
		keys = append(keys, key)
	}
	if !slices.IsSortedFunc(keys, event.Key.Compare) {
		t.Fatalf("keys are not in order: %v", keys)
	}
	for key, want := range m {
		if id, found := s.Get(key); !found || id != want {
			t.Fatalf("%v is %s (%v), want %s", key, id, found, want)
		}
	}
	if _, found := s.Get(event.Key{Type: "none"}); found {
		t.Fatal("found what is not there")
	}
}

func TestStateBehavesLikeAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := genModel(t)
		s := build(t, m)
		checkState(t, s, m)
		twin := toState(m)
		if !s.Equal(twin) || s.Fingerprint() != twin.Fingerprint() {
			t.Fatal("equal states differ by their history")
		}
		key := genKey(t)
		changed, removed := s.With(key, "$new"), s.Without(key)
		checkState(t, s, m)
		with, without := maps.Clone(m), maps.Clone(m)
		with[key] = "$new"
		delete(without, key)
		checkState(t, changed, with)
		checkState(t, removed, without)
		if s.Equal(changed) {
			t.Fatal("a changed state is equal")
		}
	})
}

func TestStateOfType(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := genModel(t)
		s := toState(m)
		for _, kind := range []string{"a", "b", "m.room.member", "", "none"} {
			var got, want []event.Key
			for stateKey, id := range s.OfType(kind) {
				got = append(got, event.Key{Type: kind, StateKey: stateKey})
				if m[event.Key{Type: kind, StateKey: stateKey}] != id {
					t.Fatalf("%s %s is %s", kind, stateKey, id)
				}
			}
			for _, key := range m.keys() {
				if key.Type == kind {
					want = append(want, key)
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("type %s has %v, want %v", kind, got, want)
			}
		}
	})
}

func TestStateDiff(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, after := genModel(t), genModel(t)
		var got []stateres.Change
		for change := range toState(before).Diff(toState(after)) {
			got = append(got, change)
		}
		union := maps.Clone(before)
		maps.Copy(union, after)
		var want []stateres.Change
		for _, key := range union.keys() {
			if before[key] != after[key] {
				want = append(want, stateres.Change{Key: key, Before: before[key], After: after[key]})
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func TestIterationStopsEarly(t *testing.T) {
	s := toState(model{{Type: "a"}: "$1", {Type: "a", StateKey: "x"}: "$2", {Type: "b"}: "$3"})
	count := 0
	for range s.All() {
		count++
		break
	}
	for range s.OfType("a") {
		count++
		break
	}
	for range s.Diff(stateres.State{}) {
		count++
		break
	}
	if count != 3 {
		t.Errorf("%d entries, want 3", count)
	}
}

func members(n int) stateres.State {
	var s stateres.State
	for i := range n {
		s = s.With(event.Key{Type: matrix.TypeMember, StateKey: fmt.Sprintf("@user%d:hs%d", i, i%100)}, matrix.EventID(fmt.Sprint("$", i)))
	}
	return s
}

func BenchmarkStateWith5000Members(b *testing.B) {
	s := members(5000)
	key := event.Key{Type: matrix.TypeMember, StateKey: "@user7:hs7"}
	b.ReportAllocs()
	for b.Loop() {
		s.With(key, "$new")
	}
}

func BenchmarkStateGet5000Members(b *testing.B) {
	s := members(5000)
	key := event.Key{Type: matrix.TypeMember, StateKey: "@user7:hs7"}
	for b.Loop() {
		if _, found := s.Get(key); !found {
			b.Fatal("missing")
		}
	}
}
