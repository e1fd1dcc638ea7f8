package stateres_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"meshsim/matrix"
	"meshsim/matrix/event"
	"meshsim/matrix/event/eventtest"
	"meshsim/matrix/stateres"
)

// room is a room with a creator, power levels and a public join rule.
type room struct {
	*eventtest.Room
	graph               graph
	join, levels, rules *event.PDU
	base                stateres.State
}

func newRoom(t testing.TB, version string) *room {
	r := &room{Room: eventtest.New(t, version, creator, nil), graph: graph{}}
	r.join = r.Member(creator, creator, matrix.Join, r.auth())
	r.levels = r.power(creator, 50, r.join)
	r.rules = r.Event(matrix.TypeJoinRules, creator, map[string]any{"join_rule": "public"}, eventtest.State(""), r.auth(r.join, r.levels))
	r.graph.add(r.Create, r.join, r.levels, r.rules)
	r.base = with(stateres.State{}, r.Create, r.join, r.levels, r.rules)
	return r
}

// auth adds the create event where the version wants it.
func (r *room) auth(pdus ...*event.PDU) eventtest.Option {
	if !r.Version.RoomIDIsCreateHash {
		pdus = append(pdus, r.Create)
	}
	return eventtest.Auth(pdus...)
}

const mod matrix.UserID = "@mod:hs1"

// power makes power levels that give mod a level.
func (r *room) power(sender matrix.UserID, level int, auth ...*event.PDU) *event.PDU {
	users := map[string]any{string(mod): level}
	if !r.Version.CreatorsPrivileged {
		users[string(creator)] = 100
	}
	p := r.Event(matrix.TypePowerLevels, sender, map[string]any{"users": users}, eventtest.State(""), r.auth(auth...))
	r.graph.add(p)
	return p
}

// joins lets a user join by the public rule.
func (r *room) joins(user matrix.UserID) *event.PDU {
	p := r.Member(user, user, matrix.Join, r.auth(r.levels, r.rules))
	r.graph.add(p)
	return p
}

func with(s stateres.State, pdus ...*event.PDU) stateres.State {
	for _, p := range pdus {
		s = s.With(p.Key(), p.ID())
	}
	return s
}

func (r *room) resolve(t *testing.T, states ...stateres.State) stateres.State {
	t.Helper()
	merged, err := stateres.Resolve(r.Version, states, r.graph)
	if err != nil {
		t.Fatal(err)
	}
	return merged
}

func want(t *testing.T, s stateres.State, p *event.PDU, present bool) {
	t.Helper()
	id, _ := s.Get(p.Key())
	if (id == p.ID()) != present {
		t.Errorf("%v is %s, want %s there: %v", p.Key(), id, p.ID(), present)
	}
}

func eachVersion(t *testing.T, test func(t *testing.T, r *room)) {
	for _, version := range matrix.RoomVersions() {
		t.Run("v"+version, func(t *testing.T) { test(t, newRoom(t, version)) })
	}
}

func TestResolveWithoutConflict(t *testing.T) {
	eachVersion(t, func(t *testing.T, r *room) {
		if s := r.resolve(t); s.Len() != 0 {
			t.Errorf("no states give %d entries", s.Len())
		}
		if s := r.resolve(t, r.base, r.base); !s.Equal(r.base) {
			t.Error("a state merged with itself changes")
		}
		a, b := r.joins("@a:hs1"), r.joins("@b:hs2")
		merged := r.resolve(t, with(r.base, a), with(r.base, b))
		if !merged.Equal(with(r.base, a, b)) {
			t.Error("joins on two sides must both survive")
		}
	})
}

func TestBanBeatsWhatTheBannedDid(t *testing.T) {
	eachVersion(t, func(t *testing.T, r *room) {
		in := r.joins(mod)
		state := with(r.base, in)
		ban := r.Member(creator, mod, matrix.Ban, r.auth(r.join, r.levels, in))
		topic := r.Event(matrix.TypeTopic, mod, map[string]any{}, eventtest.State(""), r.auth(in, r.levels))
		r.graph.add(ban, topic)
		merged := r.resolve(t, with(state, ban), with(state, topic))
		want(t, merged, ban, true)
		want(t, merged, topic, false)
	})
}

func TestHigherPowerDecidesOverPowerLevels(t *testing.T) {
	eachVersion(t, func(t *testing.T, r *room) {
		in := r.joins(mod)
		state := with(r.base, in)
		demotion := r.power(creator, 0, r.join, r.levels)
		r.Advance(-time.Hour) // an earlier clock does not help the weaker sender
		selfish := r.power(mod, 50, in, r.levels)
		merged := r.resolve(t, with(state, demotion), with(state, selfish))
		want(t, merged, demotion, true)
	})
}

// A server that lags behind presents an old state against a new one. Resolution must not fall back to it.
func TestOldStateDoesNotReset(t *testing.T) {
	eachVersion(t, func(t *testing.T, r *room) {
		in := r.joins(mod)
		old := with(r.base, in)
		second := r.power(creator, 60, r.join, r.levels)
		third := r.power(creator, 70, r.join, second)
		invite := r.Event(matrix.TypeJoinRules, creator, map[string]any{"join_rule": "invite"}, eventtest.State(""), r.auth(r.join, third))
		topic := r.Event(matrix.TypeTopic, mod, map[string]any{}, eventtest.State(""), r.auth(in, third))
		r.graph.add(invite, topic)
		merged := r.resolve(t, with(old, third, invite, topic), old)
		for _, p := range []*event.PDU{third, invite, topic, in} {
			want(t, merged, p, true)
		}
	})
}

// The reset that v2.1 was made for: mod changed the power levels and left, and a lagging server brings the
// levels from before. Under v2 the replay starts from a state where mod is gone already, so that mod's levels
// are refused and the old ones return; v2.1 starts from the empty state and takes mod's join from auth_events.
func TestDepartedModeratorsLevelsAreResetUnderV2Only(t *testing.T) {
	eachVersion(t, func(t *testing.T, r *room) {
		in := r.joins(mod)
		second := r.power(creator, 60, r.join, r.levels)
		third := r.power(mod, 55, in, second)
		gone := r.Member(mod, mod, matrix.Leave, r.auth(third, in))
		r.graph.add(gone)
		merged := r.resolve(t, with(r.base, gone, third), with(r.base, gone, second))
		want(t, merged, third, r.Version.StateRes == matrix.StateResV2_1)
		want(t, merged, gone, true)
	})
}

// What a conflicted event stands on is replayed, too, when it is in no state any more.
func TestConflictedEventsBringWhatTheyStandOn(t *testing.T) {
	eachVersion(t, func(t *testing.T, r *room) {
		in := r.joins(mod)
		second := r.power(creator, 60, r.join, r.levels)
		third := r.power(mod, 55, in, second)
		topic := r.Event(matrix.TypeTopic, mod, map[string]any{}, eventtest.State(""), r.auth(in, third))
		r.graph.add(topic)
		merged := r.resolve(t, with(r.base, in, third, topic), r.base)
		for _, p := range []*event.PDU{in, third, topic} {
			want(t, merged, p, true)
		}
	})
}

func TestMissingEventIsNamed(t *testing.T) {
	eachVersion(t, func(t *testing.T, r *room) {
		in := r.joins(mod)
		second := r.power(creator, 60, r.join, r.levels)
		topic := r.Event(matrix.TypeTopic, mod, map[string]any{}, eventtest.State(""), r.auth(in, second))
		r.graph.add(topic)
		delete(r.graph, second.ID())
		_, err := stateres.Resolve(r.Version, []stateres.State{with(r.base, in, topic), r.base}, r.graph)
		var missing *stateres.MissingEventError
		if !errors.As(err, &missing) || missing.ID != second.ID() {
			t.Errorf("got %v, want %s to be missing", err, second.ID())
		}
	})
}

// withRejections is a graph of which some events were rejected.
type withRejections struct {
	graph
	rejected matrix.EventID
}

func (g withRejections) Rejected(id matrix.EventID) bool { return id == g.rejected }

func TestRejectedAuthEventsAuthoriseNothing(t *testing.T) {
	eachVersion(t, func(t *testing.T, r *room) {
		in := r.joins(mod)
		topic := r.Event(matrix.TypeTopic, mod, map[string]any{}, eventtest.State(""), r.auth(in, r.levels))
		other := r.Event(matrix.TypeTopic, creator, map[string]any{}, eventtest.State(""), r.auth(r.join, r.levels))
		r.graph.add(topic, other)
		// in is in neither state, so that topic depends on its auth event.
		states := []stateres.State{with(r.base, topic), with(r.base, other)}
		for rejected, wantTopic := range map[matrix.EventID]bool{"": false, in.ID(): false} {
			merged, err := stateres.Resolve(r.Version, states, withRejections{r.graph, rejected})
			if err != nil {
				t.Fatal(err)
			}
			want(t, merged, other, true)
			want(t, merged, topic, wantTopic)
		}
		r.Advance(-time.Hour)
		early := r.Event(matrix.TypeTopic, mod, map[string]any{"early": true}, eventtest.State("x"), r.auth(in, r.levels))
		r.graph.add(early)
		states = []stateres.State{with(r.base, early), r.base}
		for rejected, present := range map[matrix.EventID]bool{"": true, in.ID(): false} {
			merged, err := stateres.Resolve(r.Version, states, withRejections{r.graph, rejected})
			if err != nil {
				t.Fatal(err)
			}
			want(t, merged, early, present)
		}
	})
}

// bigRoom is a room of n joined members.
func bigRoom(b *testing.B, version string, n int) (*room, stateres.State) {
	r := newRoom(b, version)
	state := r.base
	for i := range n {
		state = with(state, r.joins(matrix.UserID(fmt.Sprintf("@user%d:hs%d", i, i%100))))
	}
	return r, state
}

// BenchmarkResolveTwoBranches merges two branches of a room of 5,000 members: on one 100 members were banned
// and the power levels changed, on the other the same 100 renamed themselves and 100 others joined.
func BenchmarkResolveTwoBranches(b *testing.B) {
	for _, version := range []string{"11", "12"} {
		b.Run("v"+version, func(b *testing.B) {
			r, state := bigRoom(b, version, 5000)
			left, right := with(state, r.power(creator, 60, r.join, r.levels)), state
			for i := range 100 {
				user := matrix.UserID(fmt.Sprintf("@user%d:hs%d", i, i))
				id, _ := state.Get(event.Key{Type: matrix.TypeMember, StateKey: string(user)})
				ban := r.Member(creator, user, matrix.Ban, r.auth(r.join, r.levels, r.graph[id]))
				again := r.Member(user, user, matrix.Join, r.auth(r.levels, r.rules, r.graph[id]))
				r.graph.add(ban, again)
				left = with(left, ban)
				right = with(right, again, r.joins(matrix.UserID(fmt.Sprintf("@late%d:hs1", i))))
			}
			benchmark(b, r, left, right)
		})
	}
}

// BenchmarkResolveAllMembersInConflict merges a room of 5,000 members with a state before they joined.
func BenchmarkResolveAllMembersInConflict(b *testing.B) {
	for _, version := range []string{"11", "12"} {
		b.Run("v"+version, func(b *testing.B) {
			r, state := bigRoom(b, version, 5000)
			benchmark(b, r, state, r.base)
		})
	}
}

func benchmark(b *testing.B, r *room, states ...stateres.State) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := stateres.Resolve(r.Version, states, r.graph); err != nil {
			b.Fatal(err)
		}
	}
}
