package stateres_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"meshsim/matrix"
	"meshsim/matrix/event"
	"meshsim/matrix/event/eventtest"
	"meshsim/matrix/stateres"
)

// TestUnionAgreesWithTheNaiveResolution merges states of random rooms one by one: where that goes, it is what the
// specification's algorithm makes of all of them.
func TestUnionAgreesWithTheNaiveResolution(t *testing.T) {
	for _, version := range []string{"10", "11", "12"} {
		t.Run("v"+version, func(t *testing.T) {
			merged := 0
			rapid.Check(t, func(rt *rapid.T) {
				s := newSimulation(rt, t, version)
				for range rapid.IntRange(1, 20).Draw(rt, "steps") {
					if rapid.IntRange(0, 5).Draw(rt, "kind") == 0 {
						s.step()
					} else {
						s.joinSomewhere()
					}
				}
				merged += s.compareUnion(rapid.IntRange(2, 4).Draw(rt, "states"))
			})
			if merged == 0 {
				t.Error("no random room had states that are merged without a resolution")
			}
		})
	}
}

// joinSomewhere lets a random user join after one random event.
func (s *simulation) joinSomewhere() {
	user := matrix.UserID(fmt.Sprintf("@u%d:hs%d", rapid.IntRange(0, 9).Draw(s.t, "joiner"), rapid.IntRange(0, 1).Draw(s.t, "home")))
	prev := s.events[rapid.IntRange(min(3, len(s.events)-1), len(s.events)-1).Draw(s.t, "prev")]
	s.try(matrix.TypeMember, user, string(user), map[string]any{"membership": "join"}, prev)
}

// compareUnion merges the states after n random events where that goes, and returns 1 when it took any work.
func (s *simulation) compareUnion(n int) int {
	var naive []model
	union, work := stateres.State{}, 0
	for i := range n {
		after := s.after[s.events[rapid.IntRange(0, len(s.events)-1).Draw(s.t, "tip")].ID()]
		naive = append(naive, after)
		if i == 0 {
			union = toState(after)
			continue
		}
		next, ok := stateres.Union(s.Version, union, toState(after), s.graph)
		if !ok {
			return 0
		}
		if !next.Equal(union) {
			work = 1
		}
		union = next
	}
	for change := range toState(naiveResolve(s.Version, naive, s.graph)).Diff(union) {
		s.t.Errorf("%v is %s, want %s", change.Key, change.After, change.Before)
	}
	return work
}

// TestUnionOfOthers names states that differ in more than plain joins.
func TestUnionOfOthers(t *testing.T) {
	for _, version := range []string{"11", "12"} {
		t.Run("v"+version, func(t *testing.T) {
			room := eventtest.New(t, version, creator, nil)
			levels := room.Event(matrix.TypePowerLevels, creator, map[string]any{}, eventtest.State(""))
			rules := room.Event(matrix.TypeJoinRules, creator, map[string]any{"join_rule": "public"}, eventtest.State(""))
			auth := []*event.PDU{levels, rules}
			if version == "11" {
				auth = append(auth, room.Create)
			}
			member := func(user string, content map[string]any, auth ...*event.PDU) *event.PDU {
				return room.Event(matrix.TypeMember, matrix.UserID(user), content, eventtest.State(user), eventtest.Auth(auth...))
			}
			join := map[string]any{"membership": "join"}
			graph := graph{}
			state := func(pdus ...*event.PDU) (s stateres.State) {
				for _, p := range append(slices.Clone(pdus), room.Create, rules) {
					graph.add(p)
					s = s.With(p.Key(), p.ID())
				}
				return s
			}
			plain := state(levels, member("@a:hs1", join, auth...))
			merges := func(other stateres.State) bool {
				_, forth := stateres.Union(room.Version, plain, other, graph)
				_, back := stateres.Union(room.Version, other, plain, graph)
				if forth != back {
					t.Error("the order of the states matters")
				}
				return forth
			}
			if !merges(state(levels, member("@b:hs1", join, auth...))) {
				t.Error("two plain joins are not merged")
			}
			for name, p := range map[string]*event.PDU{
				"topic":            room.Event(matrix.TypeTopic, creator, map[string]any{}, eventtest.State("")),
				"leave":            member("@b:hs1", map[string]any{"membership": "leave"}, auth...),
				"kick":             room.Event(matrix.TypeMember, creator, map[string]any{"membership": "leave"}, eventtest.State("@b:hs1"), eventtest.Auth(auth...)),
				"invited-before":   member("@b:hs1", join, append(auth, member("@b:hs1", map[string]any{"membership": "invite"}))...),
				"without-auth":     member("@b:hs1", join),
				"other-auth":       member("@b:hs1", join, append(slices.Clone(auth[1:]), room.Create, room.Create)...),
				"restricted":       member("@b:hs1", map[string]any{"membership": "join", "join_authorised_via_users_server": "@c:hs1"}, auth...),
				"same-user-joined": member("@a:hs1", map[string]any{"membership": "join", "displayname": "a"}, auth...),
			} {
				if merges(state(levels, p)) {
					t.Errorf("%s is merged without a resolution", name)
				}
			}
			if merges(state(member("@a:hs1", join, auth...))) {
				t.Error("a state without the other's power levels is merged without a resolution")
			}
		})
	}
}

// BenchmarkUnion merges states that differ in 100 joins of a room of 1,000.
func BenchmarkUnion(b *testing.B) {
	room := eventtest.New(b, "12", creator, nil)
	rules := room.Event(matrix.TypeJoinRules, creator, map[string]any{"join_rule": "public"}, eventtest.State(""))
	graph := graph{}
	graph.add(room.Create, rules)
	base := stateres.State{}.With(room.Create.Key(), room.Create.ID()).With(rules.Key(), rules.ID())
	join := func(s stateres.State, from, to int) stateres.State {
		for i := from; i < to; i++ {
			user := fmt.Sprintf("@u:hs%d", i)
			p := room.Event(matrix.TypeMember, matrix.UserID(user), map[string]any{"membership": "join"}, eventtest.State(user), eventtest.Auth(rules))
			graph.add(p)
			s = s.With(p.Key(), p.ID())
		}
		return s
	}
	base = join(base, 0, 900)
	left, right := join(base, 900, 990), join(base, 990, 1000)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := stateres.Union(room.Version, left, right, graph); !ok {
			b.Fatal("not merged")
		}
	}
}
