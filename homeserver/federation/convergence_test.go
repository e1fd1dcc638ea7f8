package federation

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"meshsim/homeserver"
	"meshsim/matrix"
	"meshsim/matrix/event"
)

var (
	seeds     = flag.Uint64("seeds", 10, "how many random histories to run")
	firstSeed = flag.Uint64("seed", 1, "the first of them")
)

// TestConvergence runs random histories: 2 to 20 servers, joins, messages, concurrent changes of the state,
// loss, and a partition of ten minutes. In the end every server has the same state, and has every message.
func TestConvergence(t *testing.T) {
	for seed := *firstSeed; seed < *firstSeed+*seeds; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { newHistory(t, seed).run() })
		})
	}
}

// TestContestedRoom is like TestConvergence, but the servers also fight: they change power levels and join
// rules, and kick and ban each other, on both sides of a partition. What is said may then be refused, so only
// the state is compared, after everybody who is left has referred to all branches.
func TestContestedRoom(t *testing.T) {
	for seed := *firstSeed; seed < *firstSeed+*seeds; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { newHistory(t, seed).fight() })
		})
	}
}

func (h *history) fight() {
	versions := matrix.RoomVersions()
	h.roomID = publicRoom(h.t, h.m.server("hs0"), versions[h.rand.IntN(len(versions))])
	h.joinAll()
	h.empower()
	h.part()
	h.quarrel(40)
	h.heal()
	time.Sleep(5 * time.Minute)
	for _, name := range h.joined() {
		h.try(name, matrix.TypeMessage, nil, map[string]any{"body": "peace"})
		time.Sleep(5 * time.Second)
	}
	time.Sleep(2 * time.Minute)
	h.compareStates(h.joined())
}

// quarrel has random servers change what others may do.
func (h *history) quarrel(n int) {
	for range n {
		name := h.m.names[h.rand.IntN(len(h.m.names))]
		victim := "@u:" + h.m.names[h.rand.IntN(len(h.m.names))]
		switch h.rand.IntN(6) {
		case 0:
			users := h.creators()
			users[victim] = h.rand.IntN(50)
			delete(users, "@u:hs0")
			h.try(name, matrix.TypePowerLevels, event.StateKey(""), map[string]any{
				"users_default": 50, "state_default": h.rand.IntN(51), "users": users, "events": map[string]int{matrix.TypePowerLevels: 50},
			})
		case 1:
			rule := []string{"public", "invite"}[h.rand.IntN(2)]
			h.try(name, matrix.TypeJoinRules, event.StateKey(""), map[string]any{"join_rule": rule})
		case 2:
			h.try(name, matrix.TypeMember, &victim, map[string]any{"membership": []string{"leave", "ban"}[h.rand.IntN(2)]})
		case 3:
			if err := h.m.server(name).Join(context.Background(), "@u:"+name, h.roomID, []string{"hs0"}, nil); err == nil {
				h.note("%s joins again", name)
			}
		default:
			h.try(name, matrix.TypeTopic, event.StateKey(""), map[string]any{"topic": fmt.Sprint(h.rand.IntN(1000))})
		}
		time.Sleep(time.Duration(h.rand.IntN(5000)) * time.Millisecond)
	}
}

// try sends what may be refused.
func (h *history) try(name, kind string, stateKey *string, content any) {
	raw, err := json.Marshal(content)
	if err != nil {
		h.t.Fatal(err)
	}
	pdu, err := h.m.server(name).Send(context.Background(), homeserver.Draft{
		RoomID: h.roomID, Sender: "@u:" + name, Type: kind, StateKey: stateKey, Content: raw,
	})
	if err == nil {
		h.note("%s sends %s %s %v %s after %v", name, pdu.ID(), kind, pdu.Key().StateKey, raw, pdu.PrevEvents())
	}
}

// joined lists the servers that take themselves for members and that hs0, whose user created the room and so
// cannot be removed by the others, takes for members as well. A server that has reason to think its removal
// void stays apart for ever: the others send it nothing more, and accept nothing from it.
func (h *history) joined() []string {
	created := room(h.t, h.m.server("hs0"), h.roomID)
	if !created.Joined() {
		return nil // it left
	}
	var names []string
	for _, name := range created.State().JoinedServers() {
		if room(h.t, h.m.server(name), h.roomID).Joined() {
			names = append(names, name)
		}
	}
	return names
}

func (h *history) compareStates(names []string) {
	if len(names) == 0 {
		return
	}
	reference := stateJSON(room(h.t, h.m.server(names[0]), h.roomID).State())
	for _, name := range names[1:] {
		if got := stateJSON(room(h.t, h.m.server(name), h.roomID).State()); got != reference {
			h.t.Errorf("%s has another state than %s:\n%s\nthan\n%s", name, names[0], got, reference)
		}
	}
	if h.t.Failed() {
		h.t.Logf("history:\n%s", strings.Join(h.lines, "\n"))
	}
}

// history is one random run. What happened is kept to be printed when the run fails.
type history struct {
	t      *testing.T
	m      *mesh
	rand   *rand.Rand
	roomID string
	start  time.Time
	said   []*event.PDU
	lines  []string
}

func newHistory(t *testing.T, seed uint64) *history {
	h := &history{t: t, rand: rand.New(rand.NewPCG(seed, 2)), start: time.Now()}
	names := make([]string, 2+h.rand.IntN(19))
	for i := range names {
		names[i] = fmt.Sprintf("hs%d", i)
	}
	h.m = newMesh(t, seed, names...)
	h.m.delay = time.Duration(1+h.rand.IntN(400)) * time.Millisecond // nobody sends yet
	return h
}

func (h *history) note(format string, args ...any) {
	h.lines = append(h.lines, fmt.Sprintf("%8.3fs ", time.Since(h.start).Seconds())+fmt.Sprintf(format, args...))
}

func (h *history) run() {
	versions := matrix.RoomVersions()
	version := versions[h.rand.IntN(len(versions))]
	h.roomID = publicRoom(h.t, h.m.server("hs0"), version)
	h.note("%d servers, room version %s", len(h.m.names), version)
	h.joinAll()
	h.empower()
	if h.rand.IntN(2) == 0 {
		h.m.lose(0.05)
	}
	h.act(20)
	h.part()
	h.act(60)
	time.Sleep(max(0, 10*time.Minute-time.Since(h.start)))
	h.heal()
	h.act(10)
	time.Sleep(3 * time.Minute)
	h.m.lose(0)
	h.settle()
	h.check()
}

func (h *history) joinAll() {
	for _, name := range h.m.names[1:] {
		go func() {
			if err := h.m.server(name).Join(context.Background(), "@u:"+name, h.roomID, []string{"hs0"}, nil); err != nil {
				h.t.Errorf("%s cannot join: %v", name, err)
			}
		}()
		if h.rand.IntN(3) > 0 {
			time.Sleep(time.Duration(h.rand.IntN(2000)) * time.Millisecond)
		}
	}
	time.Sleep(30 * time.Second)
	h.note("joined")
}

// empower lets everybody change the state, so that changes conflict.
func (h *history) empower() {
	h.send("hs0", matrix.TypePowerLevels, event.StateKey(""), map[string]any{
		"users_default": 50, "state_default": 50, "users": h.creators(), "kick": 50, "ban": 50,
		"events": map[string]int{matrix.TypePowerLevels: 50},
	})
	time.Sleep(10 * time.Second)
}

func (h *history) creators() map[string]int {
	if room(h.t, h.m.server("hs0"), h.roomID).Version() == "12" {
		return map[string]int{}
	}
	return map[string]int{"@u:hs0": 100}
}

func (h *history) act(n int) {
	for range n {
		name := h.m.names[h.rand.IntN(len(h.m.names))]
		switch h.rand.IntN(5) {
		case 0:
			h.send(name, matrix.TypeTopic, event.StateKey(""), map[string]any{"topic": fmt.Sprint(h.rand.IntN(1000))})
		case 1:
			h.send(name, matrix.TypeName, event.StateKey(""), map[string]any{"name": fmt.Sprint(h.rand.IntN(1000))})
		case 2:
			h.send(name, "test.counter", event.StateKey(fmt.Sprint(h.rand.IntN(4))), map[string]any{"n": h.rand.IntN(1000)})
		default:
			if pdu := h.send(name, matrix.TypeMessage, nil, map[string]any{"msgtype": "m.text", "body": fmt.Sprint(h.rand.IntN(1000))}); pdu != nil {
				h.said = append(h.said, pdu)
			}
		}
		time.Sleep(time.Duration(h.rand.IntN(3000)) * time.Millisecond)
	}
}

func (h *history) send(name, kind string, stateKey *string, content any) *event.PDU {
	raw, err := json.Marshal(content)
	if err != nil {
		h.t.Fatal(err)
	}
	pdu, err := h.m.server(name).Send(context.Background(), homeserver.Draft{
		RoomID: h.roomID, Sender: "@u:" + name, Type: kind, StateKey: stateKey, Content: raw,
	})
	if err != nil {
		h.t.Errorf("%s cannot send %s: %v", name, kind, err)
		return nil
	}
	h.note("%s sends %s %s %s after %v", name, pdu.ID(), kind, raw, pdu.PrevEvents())
	return pdu
}

func (h *history) part() {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	for _, name := range h.m.names {
		h.m.side[name] = h.rand.IntN(2 + h.rand.IntN(2))
	}
	h.note("parted: %v", h.m.side)
}

func (h *history) heal() {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	clear(h.m.side)
	h.note("healed")
}

// settle gives all servers the time to send what they have, and fails where one still has something.
func (h *history) settle() {
	time.Sleep(2 * time.Minute)
	for _, name := range h.m.names {
		for _, other := range h.m.names {
			if n := h.m.peers[name].Sender.Waiting(other); n > 0 {
				h.t.Errorf("%s still has %d events for %s", name, n, other)
			}
		}
	}
}

func (h *history) check() {
	reference := room(h.t, h.m.server("hs0"), h.roomID)
	for _, name := range h.m.names {
		r := room(h.t, h.m.server(name), h.roomID)
		if a, b := fmt.Sprint(reference.Extremities()), fmt.Sprint(r.Extremities()); a != b {
			h.t.Errorf("%s has the extremities %s, hs0 has %s", name, b, a)
		}
		if a, b := stateJSON(reference.State()), stateJSON(r.State()); a != b {
			h.t.Errorf("%s has another state than hs0", name)
		}
		for _, pdu := range h.said {
			if !shows(h.t, h.m.server(name), h.roomID, pdu) {
				h.t.Errorf("%s has lost %s of %s", name, pdu.ID(), pdu.Sender())
			}
		}
	}
	if h.t.Failed() {
		h.t.Logf("history:\n%s", strings.Join(h.lines, "\n"))
	}
}

// stateJSON is the whole state, byte by byte.
func stateJSON(s *homeserver.State) string {
	var b strings.Builder
	for pdu := range s.All() {
		b.Write(pdu.JSON())
		b.WriteByte('\n')
	}
	return b.String()
}
