package federation

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"meshsim/homeserver"
	"meshsim/matrix"
)

var (
	seeds     = flag.Uint64("seeds", 10, "how many random histories to run")
	firstSeed = flag.Uint64("seed", 1, "the first of them")
	keepSteps = flag.String("keep", "", "run only these steps of the histories, e.g. 0,4-7: what a failure prints")
)

// peaceful is 2 to 20 servers, joins, messages, concurrent changes of the state, loss, and a partition of ten minutes. In
// the end every server has the same state, and has every message.
var peaceful = scenario{test: "TestConvergence", plan: planPeace, end: (*history).endPeace}

// contested is like peaceful, but the servers also fight: they change power levels and join rules, and kick and ban each
// other, on both sides of a partition. What is said may then be refused, so only the state is compared, after everybody
// who is left has referred to all branches.
var contested = scenario{test: "TestContestedRoom", plan: planFight, end: (*history).endFight}

func TestConvergence(t *testing.T) { peaceful.run(t) }

func TestContestedRoom(t *testing.T) { contested.run(t) }

func (s scenario) run(t *testing.T) {
	for seed := *firstSeed; seed < *firstSeed+*seeds; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			if report := s.try(t, seed, *keepSteps); report != "" {
				t.Error(report)
			}
		})
	}
}

func planPeace(p *plan) {
	p.join()
	if p.rand.IntN(2) == 0 {
		p.add(0, "5 % of the requests are lost", func(h *history) { h.m.lose(0.05) })
	}
	p.talk(20)
	p.part()
	p.talk(60)
	p.add(0, "ten minutes are over", func(h *history) { time.Sleep(max(0, 10*time.Minute-time.Since(h.start))) })
	p.heal()
	p.talk(10)
}

func planFight(p *plan) {
	p.join()
	p.part()
	p.quarrel(40)
	p.heal()
}

// talk has random servers say something, or change what does not matter.
func (p *plan) talk(n int) {
	for range n {
		name, value := p.someone(), p.rand.IntN(1000)
		pause := time.Duration(p.rand.IntN(3000)) * time.Millisecond
		switch p.rand.IntN(5) {
		case 0:
			p.send(pause, name, matrix.TypeTopic, "", map[string]any{"topic": fmt.Sprint(value)})
		case 1:
			p.send(pause, name, matrix.TypeName, "", map[string]any{"name": fmt.Sprint(value)})
		case 2:
			p.send(pause, name, "test.counter", fmt.Sprint(p.rand.IntN(4)), map[string]any{"n": value})
		default:
			p.add(pause, fmt.Sprintf("%s says %d", name, value), func(h *history) {
				if pdu := h.send(name, matrix.TypeMessage, nil, map[string]any{"msgtype": "m.text", "body": fmt.Sprint(value)}); pdu != nil {
					h.said = append(h.said, pdu)
				}
			})
		}
	}
}

// quarrel has random servers change what others may do.
func (p *plan) quarrel(n int) {
	for range n {
		name, victim := p.someone(), "@u:"+p.someone()
		pause := time.Duration(p.rand.IntN(5000)) * time.Millisecond
		switch p.rand.IntN(6) {
		case 0:
			p.level(pause, name, victim, p.rand.IntN(50), p.rand.IntN(51))
		case 1:
			p.dare(pause, name, matrix.TypeJoinRules, "", map[string]any{"join_rule": pick(p.rand, "public", "invite")})
		case 2:
			p.dare(pause, name, matrix.TypeMember, victim, map[string]any{"membership": pick(p.rand, "leave", "ban")})
		case 3:
			p.add(pause, name+" joins again", func(h *history) { h.joinAgain(name) })
		default:
			p.dare(pause, name, matrix.TypeTopic, "", map[string]any{"topic": fmt.Sprint(p.rand.IntN(1000))})
		}
	}
}

// level has a server give another a power level, and say which one changes of the state need.
func (p *plan) level(pause time.Duration, name, victim string, level, state int) {
	p.add(pause, fmt.Sprintf("%s gives %s the power %d, the state needs %d", name, victim, level, state), func(h *history) {
		users := h.creators()
		if victim != "@u:hs0" {
			users[victim] = level
		}
		h.dare(name, matrix.TypePowerLevels, ptr(""), map[string]any{
			"users_default": 50, "state_default": state, "users": users, "events": map[string]int{matrix.TypePowerLevels: 50},
		})
	})
}

// endPeace gives all servers the time to send what they have, and compares all that they know.
func (h *history) endPeace() {
	time.Sleep(3 * time.Minute)
	h.m.lose(0)
	h.m.heal()
	time.Sleep(2 * time.Minute)
	for _, name := range h.m.names {
		for _, other := range h.m.names {
			if n := h.m.peers[name].Sender.Waiting(other); n > 0 {
				h.fail("%s still has %d events for %s", name, n, other)
			}
		}
	}
	reference := room(h.t, h.m.server("hs0"), h.roomID)
	for _, name := range h.m.names {
		h.compare(reference, name)
	}
}

func (h *history) compare(reference *homeserver.Room, name string) {
	r, ok := h.m.server(name).Room(h.roomID)
	if !ok {
		h.fail("%s is not in the room", name)
		return
	}
	if a, b := fmt.Sprint(reference.Extremities()), fmt.Sprint(r.Extremities()); a != b {
		h.fail("%s has the extremities %s, hs0 has %s", name, b, a)
	}
	if a, b := stateJSON(reference.State()), stateJSON(r.State()); a != b {
		h.fail("%s has another state than hs0", name)
	}
	for _, pdu := range h.said {
		if !shows(h.t, h.m.server(name), h.roomID, pdu) {
			h.fail("%s has lost %s of %s", name, pdu.ID(), pdu.Sender())
		}
	}
}

// endFight has everybody who is left refer to all branches, and compares their states.
func (h *history) endFight() {
	h.m.heal()
	time.Sleep(5 * time.Minute)
	for _, name := range h.joined() {
		h.dare(name, matrix.TypeMessage, nil, map[string]any{"body": "peace"})
		time.Sleep(5 * time.Second)
	}
	time.Sleep(2 * time.Minute)
	names := h.joined()
	if len(names) == 0 {
		return
	}
	reference := stateJSON(room(h.t, h.m.server(names[0]), h.roomID).State())
	for _, name := range names[1:] {
		if got := stateJSON(room(h.t, h.m.server(name), h.roomID).State()); got != reference {
			h.fail("%s has another state than %s:\n%s\nthan\n%s", name, names[0], got, reference)
		}
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

// stateJSON is the whole state, byte by byte.
func stateJSON(s *homeserver.State) string {
	var b strings.Builder
	for pdu := range s.All() {
		b.Write(pdu.JSON())
		b.WriteByte('\n')
	}
	return b.String()
}
