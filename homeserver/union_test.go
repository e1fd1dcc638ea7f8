package homeserver

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"meshsim/matrix"
	"meshsim/matrix/event"
	"meshsim/matrix/stateres"
)

// crowd is a room that grows at many ends: joins, messages, and now and then a change of the state or of the rules,
// each after random events.
type crowd struct {
	t      testing.TB
	s      *Server
	r      *room
	rand   *rand.Rand
	placed []*node
	merged int // events after which several extremities were merged without a look at all of them
}

func newCrowd(t testing.TB, version string, seed uint64) *crowd {
	return newCrowdAt(t, version, seed, Config{})
}

// newCrowdAt is newCrowd on a server with further configuration.
func newCrowdAt(t testing.TB, version string, seed uint64, cfg Config) *crowd {
	cfg.Name, cfg.KeyID, cfg.Key = "hs0", "ed25519:1", keyOf("hs0")
	s := New(cfg)
	t.Cleanup(s.Close)
	if _, err := s.AddAccount(Credential{Localpart: "u"}); err != nil {
		t.Fatal(err)
	}
	public := json.RawMessage(`{"join_rule":"public"}`)
	id, err := s.CreateRoom(context.Background(), NewRoom{
		Creator: "@u:hs0", Version: version,
		Initial: []Draft{{Type: matrix.TypeJoinRules, StateKey: event.StateKey(""), Content: public}},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := &crowd{t: t, s: s, r: s.room(matrix.RoomID(id)), rand: rand.New(rand.NewPCG(seed, 3))}
	c.placed = append(c.placed, c.r.extremities...)
	return c
}

// add puts an event after some of the latest events into the room, if the state there allows it.
func (c *crowd) add(sender, kind string, stateKey *string, content string, width int) {
	c.t.Helper()
	b := event.Builder{
		RoomID: c.r.id, Type: kind, StateKey: stateKey, Sender: matrix.UserID(sender), Content: json.RawMessage(content),
	}
	for range 1 + c.rand.IntN(3) {
		n := c.placed[len(c.placed)-1-c.rand.IntN(min(width, len(c.placed)))]
		b.PrevEvents = append(b.PrevEvents, n.pdu.ID())
		b.Depth = max(b.Depth, n.pdu.Depth()+1)
	}
	before, missing, err := c.s.beforeLocked(c.r, b.PrevEvents)
	if err != nil || len(missing) > 0 {
		c.t.Fatal(missing, err)
	}
	b.AuthEvents = selectAuthEvents(b, c.r.version, before)
	pdu, err := c.s.sign(b, c.r.version)
	if err != nil {
		c.t.Fatal(err)
	}
	if checkState(pdu, before) != nil || c.r.placedLocked(pdu.ID()) != nil {
		return
	}
	lineage := c.r.lineage
	c.s.acceptLocked(c.r, pdu, before)
	if n := c.r.nodes[pdu.ID()]; !n.is(rejected | softFailed) {
		c.placed = append(c.placed, n)
	}
	if c.r.union && c.r.lineage == lineage && len(c.r.extremities) > 1 {
		c.merged++
	}
}

// step adds a random event.
func (c *crowd) step() {
	user := fmt.Sprintf("@u%d:hs%d", c.rand.IntN(200), c.rand.IntN(5))
	switch c.rand.IntN(100) {
	case 0:
		c.add("@u:hs0", matrix.TypeTopic, event.StateKey(""), fmt.Sprintf(`{"topic":"%d"}`, c.rand.IntN(100)), 3)
	case 1:
		c.add("@u:hs0", matrix.TypeMember, &user, `{"membership":"ban"}`, 3)
	case 2:
		rule := []string{"public", "invite"}[c.rand.IntN(2)]
		c.add("@u:hs0", matrix.TypeJoinRules, event.StateKey(""), fmt.Sprintf(`{"join_rule":%q}`, rule), 3)
	case 3:
		c.add(user, matrix.TypeMember, &user, `{"membership":"leave"}`, 8)
	case 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15:
		c.add(user, matrix.TypeMessage, nil, `{"body":"hello"}`, 8)
	default:
		c.add(user, matrix.TypeMember, &user, `{"membership":"join"}`, 12)
	}
}

// check compares the current state with what the whole algorithm makes of all extremities.
func (c *crowd) check() {
	c.t.Helper()
	var states []stateres.State
	for _, n := range c.r.extremities {
		states = append(states, n.after.entries())
	}
	want, err := stateres.Resolve(c.r.version, states, resolvable{c.r})
	if err != nil {
		c.t.Fatal(err)
	}
	for change := range want.Diff(c.r.current.entries()) {
		c.t.Errorf("with %d extremities %v is %q, want %q", len(states), change.Key, change.After, change.Before)
	}
	for pdu := range c.r.current.Members() {
		server := serverOf(pdu.Key().StateKey)
		if pdu.Membership() == matrix.Join && !c.r.current.hasServer(server) {
			c.t.Errorf("%s is not in the room", server)
		}
	}
}

// The current state, which is mostly carried on from event to event, is what the whole algorithm makes of the room's
// extremities.
func TestCurrentStateIsTheResolvedOne(t *testing.T) {
	for _, version := range []string{"10", "11", "12"} {
		t.Run("v"+version, func(t *testing.T) {
			merged := 0
			for seed := range uint64(8) {
				c := newCrowd(t, version, seed)
				for range 60 {
					if c.step(); t.Failed() {
						t.Fatalf("seed %d", seed)
					}
					c.check()
				}
				merged += c.merged
			}
			if merged < 60 {
				t.Errorf("only after %d events the current state was carried on", merged)
			}
		})
	}
}

// BenchmarkJoinAtManyEnds is what one join costs in a room of many servers that join at the same time.
func BenchmarkJoinAtManyEnds(b *testing.B) {
	c := newCrowd(b, "12", 1)
	i := 0
	for b.Loop() {
		user := fmt.Sprintf("@u:hs%d", i)
		i++
		c.add(user, matrix.TypeMember, &user, `{"membership":"join"}`, 100)
	}
	b.ReportMetric(float64(len(c.r.extremities)), "extremities")
}
