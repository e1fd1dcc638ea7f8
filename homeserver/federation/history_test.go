package federation

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"meshsim/homeserver"
	"meshsim/matrix"
	"meshsim/matrix/event"
)

// scenario is a kind of random history.
type scenario struct {
	test  string // its name
	plan  func(*plan)
	end   func(*history) // waits until everything is over, and checks
	plant func(*history) // a fault, for tests of the test; may be nil
}

// plan is what a seed says shall happen. All that is random is drawn when the plan is made, so that leaving steps out
// changes none of the others.
type plan struct {
	seed    uint64
	rand    *rand.Rand
	version string
	servers int           // hs0, which is always there, included
	delay   time.Duration // of a request, at most
	steps   []step
}

// step is one thing that happens, and how long nothing else does then. Each can be left out: what a server does that is
// not there is not done.
type step struct {
	says  string
	do    func(*history)
	pause time.Duration
	first bool // before the room is everybody's to change
}

func newPlan(seed uint64, fill func(*plan)) *plan {
	p := &plan{seed: seed, rand: rand.New(rand.NewPCG(seed, 2))}
	p.servers = 2 + p.rand.IntN(19)
	p.delay = time.Duration(1+p.rand.IntN(400)) * time.Millisecond
	p.version = pick(p.rand, matrix.RoomVersions()...)
	fill(p)
	return p
}

func (p *plan) add(pause time.Duration, says string, do func(*history)) {
	p.steps = append(p.steps, step{says: says, do: do, pause: pause})
}

// someone is the name of a server.
func (p *plan) someone() string { return fmt.Sprintf("hs%d", p.rand.IntN(p.servers)) }

// join has the servers join, many at the same time.
func (p *plan) join() {
	for i := 1; i < p.servers; i++ {
		name, pause := fmt.Sprintf("hs%d", i), time.Duration(0)
		if p.rand.IntN(3) > 0 {
			pause = time.Duration(p.rand.IntN(2000)) * time.Millisecond
		}
		p.steps = append(p.steps, step{says: name + " joins", do: func(h *history) { h.join(name) }, pause: pause, first: true})
	}
}

// send is a change of the state that must succeed.
func (p *plan) send(pause time.Duration, name, kind, stateKey string, content map[string]any) {
	p.add(pause, fmt.Sprintf("%s sends %s %q %v", name, kind, stateKey, content), func(h *history) {
		h.send(name, kind, &stateKey, content)
	})
}

// dare is a change of the state that may be refused.
func (p *plan) dare(pause time.Duration, name, kind, stateKey string, content map[string]any) {
	p.add(pause, fmt.Sprintf("%s tries %s %q %v", name, kind, stateKey, content), func(h *history) {
		h.dare(name, kind, &stateKey, content)
	})
}

func (p *plan) part() {
	sides := map[string]int{}
	for i := range p.servers {
		sides[fmt.Sprintf("hs%d", i)] = p.rand.IntN(2 + p.rand.IntN(2))
	}
	p.add(0, fmt.Sprintf("the servers are parted: %v", sides), func(h *history) { h.m.part(sides) })
}

func (p *plan) heal() {
	p.add(0, "nothing parts the servers any more", func(h *history) { h.m.heal() })
}

// history is one run of a plan.
type history struct {
	t      *testing.T
	m      *mesh
	roomID string
	start  time.Time
	said   []*event.PDU

	mu       sync.Mutex
	lines    []string // what happened
	failures []string // what should not have
}

// play runs those steps of a plan whose indices are given, in a bubble of its own.
func (s scenario) play(t *testing.T, p *plan, keep []int) *history {
	var h *history
	synctest.Test(t, func(t *testing.T) {
		h = &history{t: t, start: time.Now(), m: newMesh(t, p.seed, "hs0")}
		h.m.delay = p.delay
		h.roomID = publicRoom(t, h.m.server("hs0"), p.version)
		if s.plant != nil {
			s.plant(h)
		}
		var rest []step
		for _, i := range keep {
			if p.steps[i].first {
				h.take(p.steps[i])
			} else {
				rest = append(rest, p.steps[i])
			}
		}
		time.Sleep(30 * time.Second) // everybody has joined
		h.empower()
		for _, step := range rest {
			h.take(step)
		}
		s.end(h)
	})
	return h
}

func (h *history) take(s step) {
	s.do(h)
	time.Sleep(s.pause)
}

// fail notes what should not have happened. The test goes on: the shortest history that fails is what it reports.
func (h *history) fail(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failures = append(h.failures, fmt.Sprintf(format, args...))
}

func (h *history) note(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, fmt.Sprintf("%8.3fs ", time.Since(h.start).Seconds())+fmt.Sprintf(format, args...))
}

func (h *history) there(name string) bool { return h.m.peers[name] != nil }

func (h *history) join(name string) {
	server := h.m.add(name, h.m.common).Server
	go func() {
		if err := server.Join(context.Background(), "@u:"+name, h.roomID, []string{"hs0"}, nil); err != nil {
			h.fail("%s cannot join: %v", name, err)
		}
	}()
}

func (h *history) joinAgain(name string) {
	if !h.there(name) {
		return
	}
	if err := h.m.server(name).Join(context.Background(), "@u:"+name, h.roomID, []string{"hs0"}, nil); err == nil {
		h.note("%s joins again", name)
	}
}

// empower lets everybody change the state, so that changes conflict.
func (h *history) empower() {
	h.send("hs0", matrix.TypePowerLevels, ptr(""), map[string]any{
		"users_default": 50, "state_default": 50, "users": h.creators(), "kick": 50, "ban": 50,
		"events": map[string]int{matrix.TypePowerLevels: 50},
	})
	time.Sleep(10 * time.Second)
}

// creators are the users of power levels who must stay in them.
func (h *history) creators() map[string]int {
	if room(h.t, h.m.server("hs0"), h.roomID).Version() == "12" {
		return map[string]int{}
	}
	return map[string]int{"@u:hs0": 100}
}

// send sends an event, which must succeed.
func (h *history) send(name, kind string, stateKey *string, content any) *event.PDU {
	pdu, err := h.dare(name, kind, stateKey, content)
	if err != nil {
		h.fail("%s cannot send %s: %v", name, kind, err)
	}
	return pdu
}

// dare sends an event, unless the server is not there.
func (h *history) dare(name, kind string, stateKey *string, content any) (*event.PDU, error) {
	if !h.there(name) {
		return nil, nil
	}
	raw, err := json.Marshal(content)
	if err != nil {
		h.t.Fatal(err)
	}
	pdu, err := h.m.server(name).Send(context.Background(), homeserver.Draft{
		RoomID: h.roomID, Sender: "@u:" + name, Type: kind, StateKey: stateKey, Content: raw,
	})
	if err == nil {
		h.note("%s sends %s %s %s after %v", name, pdu.ID(), kind, raw, pdu.PrevEvents())
	}
	return pdu, err
}

// report says what failed, how to run it again, and what happened.
func (s scenario) report(p *plan, keep []int, h *history) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nthe shortest history of seed %d that was found to fail: room version %s, at most %v a request, %d of %d steps\n",
		strings.Join(h.failures, "\n"), p.seed, p.version, p.delay, len(keep), len(p.steps))
	for _, i := range keep {
		fmt.Fprintf(&b, "%5d  %s, then %v\n", i, p.steps[i].says, p.steps[i].pause)
	}
	fmt.Fprintf(&b, "again with\n\tgo test ./homeserver/federation -run '^%s$' -seeds 1 -seed %d -keep %s\nwhat happened\n%s",
		s.test, p.seed, formatSteps(keep), strings.Join(h.lines, "\n"))
	return b.String()
}

func pick[T any](r *rand.Rand, choices ...T) T { return choices[r.IntN(len(choices))] }

func ptr[T any](value T) *T { return &value }
