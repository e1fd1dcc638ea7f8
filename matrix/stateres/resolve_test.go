package stateres_test

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"pgregory.net/rapid"

	"meshsim/matrix"
	"meshsim/matrix/event"
	"meshsim/matrix/event/eventtest"
	"meshsim/matrix/eventauth"
	"meshsim/matrix/stateres"
)

const creator matrix.UserID = "@u0:hs0"

// simulation grows a random room whose servers do not see each other's events at once.
type simulation struct {
	*eventtest.Room
	t      *rapid.T
	graph  graph
	after  map[matrix.EventID]model // state after each event
	events []*event.PDU
}

func newSimulation(t *rapid.T, tb testing.TB, version string) *simulation {
	s := &simulation{
		Room: eventtest.New(tb, version, creator, nil), t: t, graph: graph{}, after: map[matrix.EventID]model{},
	}
	s.graph.add(s.Create)
	s.after[s.Create.ID()] = model{s.Create.Key(): s.Create.ID()}
	s.events = []*event.PDU{s.Create}
	s.try(matrix.TypeMember, creator, string(creator), map[string]any{"membership": "join"}, s.Create)
	s.try(matrix.TypePowerLevels, creator, "", s.levels(), s.last())
	s.try(matrix.TypeJoinRules, creator, "", map[string]any{"join_rule": "public"}, s.last())
	return s
}

func (s *simulation) last() *event.PDU { return s.events[len(s.events)-1] }

// levels draws the content of a power levels event.
func (s *simulation) levels() map[string]any {
	users := map[string]any{}
	if !s.Version.CreatorsPrivileged {
		users[string(creator)] = 100
	}
	for i := 1; i < 5; i++ {
		if level := rapid.SampledFrom([]int{0, 0, 50, 100}).Draw(s.t, "level"); level > 0 {
			users[fmt.Sprintf("@u%d:hs%d", i, i%2)] = level
		}
	}
	return map[string]any{"users": users}
}

// try sends an event on top of the given ones, if their merged state allows it.
func (s *simulation) try(kind string, sender matrix.UserID, stateKey string, content map[string]any, prev ...*event.PDU) {
	var states []model
	for _, p := range prev {
		states = append(states, s.after[p.ID()])
	}
	before := states[0]
	if len(states) > 1 {
		before = naiveResolve(s.Version, states, s.graph)
	}
	view := eventauth.Events{}
	for key, id := range before {
		view[key] = s.graph[id]
	}
	draft := s.Event(kind, sender, content, eventtest.State(stateKey))
	var auth []*event.PDU
	for _, key := range eventauth.StateNeeded(draft) {
		if p := view[key]; p != nil {
			auth = append(auth, p)
		}
	}
	s.Advance(time.Duration(rapid.IntRange(-5, 0).Draw(s.t, "clock")) * time.Second)
	p := s.Event(kind, sender, content, eventtest.State(stateKey), eventtest.Prev(prev...), eventtest.Auth(auth...))
	if s.graph[p.ID()] != nil || eventauth.CheckState(p, view) != nil {
		return
	}
	s.graph.add(p)
	after := maps.Clone(before)
	after[p.Key()] = p.ID()
	s.after[p.ID()] = after
	s.events = append(s.events, p)
}

func (s *simulation) user() matrix.UserID {
	i := rapid.IntRange(0, 4).Draw(s.t, "user")
	return matrix.UserID(fmt.Sprintf("@u%d:hs%d", i, i%2))
}

// step lets a random user do something on top of one or two random events.
func (s *simulation) step() {
	pick := func() *event.PDU {
		low := max(0, len(s.events)-12)
		return s.events[rapid.IntRange(min(3, len(s.events)-1, low+3), len(s.events)-1).Draw(s.t, "prev")]
	}
	prev := []*event.PDU{pick()}
	if second := pick(); rapid.Bool().Draw(s.t, "merge") && second != prev[0] {
		prev = append(prev, second)
	}
	sender := s.user()
	switch rapid.IntRange(0, 7).Draw(s.t, "action") {
	case 0, 1:
		s.try(matrix.TypeMember, sender, string(sender), map[string]any{"membership": "join"}, prev...)
	case 2:
		s.try(matrix.TypeMember, sender, string(s.user()), map[string]any{"membership": "leave"}, prev...)
	case 3:
		s.try(matrix.TypeMember, sender, string(s.user()), map[string]any{"membership": "ban"}, prev...)
	case 4:
		s.try(matrix.TypePowerLevels, sender, "", s.levels(), prev...)
	case 5:
		rule := rapid.SampledFrom([]string{"public", "invite"}).Draw(s.t, "rule")
		s.try(matrix.TypeJoinRules, sender, "", map[string]any{"join_rule": rule}, prev...)
	case 6:
		s.try(matrix.TypeMember, sender, string(s.user()), map[string]any{"membership": "invite"}, prev...)
	default:
		s.try(matrix.TypeTopic, sender, "", map[string]any{"topic": len(s.events)}, prev...)
	}
}

func TestResolveAgreesWithTheNaiveResolution(t *testing.T) {
	for _, version := range []string{"10", "11", "12"} {
		t.Run("v"+version, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				s := newSimulation(rt, t, version)
				for range rapid.IntRange(5, 35).Draw(rt, "steps") {
					s.step()
				}
				s.compare(rapid.IntRange(2, 4).Draw(rt, "states"))
			})
		})
	}
}

// compare resolves the states after n random events in both ways, and in another order.
func (s *simulation) compare(n int) {
	var naive []model
	var states []stateres.State
	for range n {
		p := s.events[rapid.IntRange(0, len(s.events)-1).Draw(s.t, "tip")]
		naive = append(naive, s.after[p.ID()])
		states = append(states, toState(s.after[p.ID()]))
	}
	want := toState(naiveResolve(s.Version, naive, s.graph))
	got, err := stateres.Resolve(s.Version, states, s.graph)
	if err != nil {
		s.t.Fatal(err)
	}
	for change := range want.Diff(got) {
		s.t.Errorf("%v is %s, want %s", change.Key, change.After, change.Before)
	}
	shuffled, err := stateres.Resolve(s.Version, rapid.Permutation(states).Draw(s.t, "order"), s.graph)
	if err != nil || !shuffled.Equal(got) {
		s.t.Errorf("another order of the states gives another result (%v)", err)
	}
}
