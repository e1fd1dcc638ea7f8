package homeserver

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"runtime"
	"testing"
	"time"

	"meshsim/matrix"
)

// size is how much a Commons knows.
func (c *Commons) size() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.known) + len(c.parsed) + len(c.events) + len(c.recalled) + c.states.len()
}

// TestCommonsForgets: what no server refers to any more is forgotten, and nothing before.
func TestCommonsForgets(t *testing.T) {
	commons := NewCommons()
	stays := busyServer(t, commons, "stays")
	collect()
	before := commons.size()
	busyServer(t, commons, "goes").Close()
	if commons.size() < before+200 {
		t.Fatalf("the servers know %d and %d things: the test does not test", before, commons.size())
	}
	for deadline := time.Now().Add(time.Minute); commons.size() > before && time.Now().Before(deadline); {
		collect() // the runtime forgets some time after it has seen that nobody refers to something
	}
	if after := commons.size(); after > before {
		t.Errorf("once a server is gone, %d things are known, not %d", after, before)
	}
	for _, room := range stays.Rooms() {
		for entry := range room.State().All() {
			if entry == nil {
				t.Fatal("an event of a room's state is forgotten")
			}
		}
		if n := len(room.Forward(0, end, 1000)); n < 50 {
			t.Errorf("the log of the server that stays has %d entries", n)
		}
	}
	runtime.KeepAlive(stays)
}

func collect() {
	runtime.GC()
	runtime.GC()
}

// busyServer is a server with a room, messages, and some that were redacted.
func busyServer(t *testing.T, commons *Commons, name string) *Server {
	t.Helper()
	s := New(Config{Name: name, KeyID: "ed25519:1", Key: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), Commons: commons})
	user, err := s.AddAccount(Credential{Localpart: "u"})
	if err != nil {
		t.Fatal(err)
	}
	id, err := s.CreateRoom(t.Context(), NewRoom{Creator: user})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		topic := fmt.Appendf(nil, `{"topic":"%d"}`, i)
		pdu, err := s.Send(t.Context(), Draft{RoomID: id, Sender: user, Type: matrix.TypeTopic, StateKey: new(string), Content: topic})
		if err == nil && i%2 == 0 {
			target := json.RawMessage(`{"redacts":"` + pdu.ID() + `"}`)
			_, err = s.Send(t.Context(), Draft{RoomID: id, Sender: user, Type: matrix.TypeRedaction, Redacts: string(pdu.ID()), Content: target})
		}
		if err != nil {
			t.Fatal(err)
		}
		if room, _ := s.Room(id); room.Shown(pdu) == nil {
			t.Fatal("nothing is shown")
		}
	}
	return s
}
