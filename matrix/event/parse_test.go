package event_test

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"meshsim/matrix"
	"meshsim/matrix/event"
	"meshsim/matrix/event/eventtest"
)

const someID = "$Rqnc-F-dvnEYJTyHq_iKxU2bZ1CI92-kuZq3a5lr5Zg"

// message is a well-formed event of room version 11, for cases to change.
func message() map[string]any {
	return map[string]any{
		"type": "m.room.message", "sender": "@a:hs1", "room_id": "!r:hs1", "content": map[string]any{"body": "x"},
		"prev_events": []string{someID}, "auth_events": []string{someID}, "depth": 3, "origin_server_ts": 5,
		"hashes": map[string]any{"sha256": "x"}, "signatures": map[string]any{},
	}
}

func version(t testing.TB, id string) *matrix.RoomVersion {
	t.Helper()
	v, err := matrix.LookupRoomVersion(id)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestParseReadsEveryProperty(t *testing.T) {
	e := message()
	e["state_key"] = ""
	e["unsigned"] = map[string]any{"age": 3}
	raw, _ := json.Marshal(e)
	p, err := event.Parse(raw, version(t, "11"))
	if err != nil {
		t.Fatal(err)
	}
	stateKey, isState := p.StateKey()
	if p.Type() != "m.room.message" || p.Sender() != "@a:hs1" || p.RoomID() != "!r:hs1" || stateKey != "" || !isState {
		t.Errorf("got %s by %s in %s, state key %q %v", p.Type(), p.Sender(), p.RoomID(), stateKey, isState)
	}
	if p.Depth() != 3 || p.OriginServerTS() != 5 || p.Time().UnixMilli() != 5 || string(p.Content()) != `{"body":"x"}` {
		t.Errorf("got depth %d, ts %d, content %s", p.Depth(), p.OriginServerTS(), p.Content())
	}
	if len(p.PrevEvents()) != 1 || !slices.Contains(p.AuthEvents(), someID) {
		t.Errorf("got prev %v, auth %v", p.PrevEvents(), p.AuthEvents())
	}
	if matrix.Lookup(p.JSON(), "unsigned") != nil {
		t.Errorf("unsigned is kept: %s", p.JSON())
	}
	want := `{"content":{"body":"x"},"sender":"@a:hs1","state_key":"","type":"m.room.message"}`
	if got := string(p.Stripped()); got != want {
		t.Errorf("stripped state is %s, want %s", got, want)
	}
	if p.Key() != (event.Key{Type: "m.room.message"}) || !p.Is("m.room.message", "") || p.Is("m.room.message", "x") {
		t.Errorf("key is %v", p.Key())
	}
}

func TestParseRefusesMalformedEvents(t *testing.T) {
	ids := func(n int) []string {
		list := make([]string, n)
		for i := range list {
			list[i] = someID
		}
		return list
	}
	cases := []struct {
		name, field string
		value       any // nil removes the property
	}{
		{"no-type", "type", nil},
		{"no-sender", "sender", nil},
		{"no-room", "room_id", nil},
		{"no-content", "content", nil},
		{"no-prev-events", "prev_events", nil},
		{"no-auth-events", "auth_events", nil},
		{"no-depth", "depth", nil},
		{"no-timestamp", "origin_server_ts", nil},
		{"no-hashes", "hashes", nil},
		{"no-signatures", "signatures", nil},
		{"numeric-type", "type", 7},
		{"numeric-state-key", "state_key", 7},
		{"sender-without-server", "sender", "@a"},
		{"room-of-another-version", "room_id", "!" + someID[1:]},
		{"room-without-sigil", "room_id", "r:hs1"},
		{"content-array", "content", []int{}},
		{"prev-events-object", "prev_events", map[string]any{}},
		{"prev-events-of-old-form", "prev_events", []any{[]any{someID, map[string]any{}}}},
		{"prev-events-malformed", "prev_events", []string{"$x:hs1"}},
		{"too-many-prev-events", "prev_events", ids(21)},
		{"too-many-auth-events", "auth_events", ids(11)},
		{"negative-depth", "depth", -1},
		{"textual-depth", "depth", "1"},
		{"textual-timestamp", "origin_server_ts", "1"},
		{"textual-hashes", "hashes", "x"},
		{"signatures-array", "signatures", []int{}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			e := message()
			e[c.field] = c.value
			if c.value == nil {
				delete(e, c.field)
			}
			raw, _ := json.Marshal(e)
			_, err := event.Parse(raw, version(t, "11"))
			var format *event.FormatError
			if !errors.As(err, &format) || format.Field != c.field {
				t.Errorf("got %v, want a *FormatError about %s", err, c.field)
			}
		})
	}
	var format *event.FormatError
	if _, err := event.Parse([]byte(`[]`), version(t, "11")); !errors.As(err, &format) {
		t.Errorf("an array gives %v", err)
	}
	var jsonErr *matrix.JSONError
	if _, err := event.Parse([]byte(`{"content":{"x":1.5}}`), version(t, "11")); !errors.As(err, &jsonErr) {
		t.Errorf("a float gives %v", err)
	}
}

func TestParseEnforcesSizes(t *testing.T) {
	for _, field := range []string{"type", "sender", "room_id", "state_key"} {
		for size, fits := range map[int]bool{event.MaxFieldBytes: true, event.MaxFieldBytes + 1: false} {
			e := message()
			prefix, suffix := map[string]string{"sender": "@", "room_id": "!"}[field], ":hs1"
			e[field] = prefix + strings.Repeat("ä", (size-len(prefix)-len(suffix))/2) +
				strings.Repeat("a", (size-len(prefix)-len(suffix))%2) + suffix
			raw, _ := json.Marshal(e)
			_, err := event.Parse(raw, version(t, "11"))
			var tooLong *event.SizeError
			if fits != (err == nil) || !fits && (!errors.As(err, &tooLong) || tooLong.Field != field || tooLong.Bytes != size) {
				t.Errorf("%s of %d bytes gives %v", field, size, err)
			}
		}
	}
}

func TestParseEnforcesTheSizeOfTheEvent(t *testing.T) {
	e := message()
	raw, _ := json.Marshal(e)
	room := event.MaxBytes - len(raw)
	for extra, fits := range map[int]bool{0: true, 1: false} {
		e["content"] = map[string]any{"body": "x" + strings.Repeat("a", room+extra)}
		e["unsigned"] = map[string]any{"age": strings.Repeat("a", 1000)} // does not count
		raw, _ := json.Marshal(e)
		p, err := event.Parse(raw, version(t, "11"))
		var tooLong *event.SizeError
		if fits && (err != nil || len(p.JSON()) != event.MaxBytes) || !fits && (!errors.As(err, &tooLong) || tooLong.Field != "") {
			t.Errorf("%d bytes more than allowed give %v", extra, err)
		}
	}
}

func TestRoomIDsByVersion(t *testing.T) {
	hashed := "!" + someID[1:]
	for _, c := range []struct {
		version, room string
		ok            bool
	}{
		{"10", "!r:hs1", true},
		{"11", hashed, false},
		{"12", hashed, true},
		{"12", "!r:hs1", false},
	} {
		e := message()
		e["room_id"] = c.room
		raw, _ := json.Marshal(e)
		if _, err := event.Parse(raw, version(t, c.version)); (err == nil) != c.ok {
			t.Errorf("room %s in version %s gives %v", c.room, c.version, err)
		}
	}
}

func TestCreateEventOfVersion12NamesTheRoom(t *testing.T) {
	room := eventtest.New(t, "12", alice, nil)
	if room.Create.HasRoomID() || matrix.Lookup(room.Create.JSON(), "room_id") != nil {
		t.Error("the create event has a room_id")
	}
	if room.Create.RoomID().CreateEventID() != room.Create.ID() {
		t.Errorf("room %s is not made of %s", room.Create.RoomID(), room.Create.ID())
	}
	old := eventtest.New(t, "11", alice, nil)
	if !old.Create.HasRoomID() || old.Create.RoomID().Server() != "hs1" {
		t.Errorf("room of version 11 is %s", old.Create.RoomID())
	}
}

func TestRedactsStandsWhereTheVersionWantsIt(t *testing.T) {
	for _, id := range matrix.RoomVersions() {
		room := eventtest.New(t, id, alice, nil)
		target := room.Event(matrix.TypeMessage, alice, map[string]any{"body": "x"})
		p := room.Event(matrix.TypeRedaction, alice, map[string]any{"reason": "spam"}, func(b *event.Builder) {
			b.Redacts = target.ID()
		})
		if p.Redacts() != target.ID() || target.Redacts() != "" {
			t.Errorf("version %s: redacts %q and %q", id, p.Redacts(), target.Redacts())
		}
		atTop := matrix.Lookup(p.JSON(), "redacts") != nil
		if atTop == room.Version.RedactsInContent || atTop == (matrix.Lookup(p.Content(), "redacts") != nil) {
			t.Errorf("version %s: %s", id, p.JSON())
		}
		if want := room.Version.RedactsInContent; (p.Redact().Redacts() != "") != want {
			t.Errorf("version %s: the target survives redaction: %v, want %v", id, !want, want)
		}
	}
}

func TestTemplateRoundTrip(t *testing.T) {
	b := event.Builder{
		RoomID: "!r:hs1", Type: matrix.TypeMember, StateKey: event.StateKey("@a:hs1"), Sender: "@a:hs1",
		Content: json.RawMessage(`{"membership":"join"}`), PrevEvents: []matrix.EventID{someID},
		AuthEvents: []matrix.EventID{someID}, Depth: 4,
	}
	raw, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	var back event.Builder
	if err := json.Unmarshal(raw, &back); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(back.RoomID, *back.StateKey, back.Depth, back.AuthEvents), fmt.Sprint(b.RoomID, *b.StateKey, b.Depth, b.AuthEvents); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func FuzzParse(f *testing.F) {
	raw, _ := json.Marshal(message())
	f.Add(raw, uint8(1))
	for i, id := range matrix.RoomVersions() {
		room := eventtest.New(f, id, alice, nil)
		f.Add([]byte(room.Create.JSON()), uint8(i))
		f.Add([]byte(room.Member(alice, alice, matrix.Join).JSON()), uint8(i))
	}
	f.Fuzz(func(t *testing.T, raw []byte, which uint8) {
		versions := matrix.RoomVersions()
		v := version(t, versions[int(which)%len(versions)])
		p, err := event.Parse(raw, v)
		if err != nil {
			return
		}
		again, err := event.Parse(p.JSON(), v)
		if err != nil || again.ID() != p.ID() || string(again.JSON()) != string(p.JSON()) {
			t.Fatalf("%s parses differently the second time: %v", p.JSON(), err)
		}
		redacted, err := event.Parse(p.Redact().JSON(), v)
		if err != nil || redacted.ID() != p.ID() {
			t.Fatalf("redacting %s changes the id (%v)", p.JSON(), err)
		}
		p.CheckContentHash()
		p.PowerLevels()
		p.Create()
		if err := event.VerifySignatures(p, eventtest.Keys); err == nil && len(p.SignatureServers()) > 0 && len(p.SignaturesOf(p.SignatureServers()[0])) == 0 {
			t.Fatalf("%s verifies without a signature", p.JSON())
		}
	})
}

func BenchmarkParse(b *testing.B) {
	room := eventtest.New(b, "12", alice, nil)
	raw := room.Event(matrix.TypeMessage, alice, map[string]any{"body": "hello", "msgtype": "m.text"}, eventtest.Auth(room.Create)).JSON()
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := event.Parse(raw, room.Version); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBuild(b *testing.B) {
	room := eventtest.New(b, "12", alice, nil)
	b.ReportAllocs()
	for b.Loop() {
		room.Event(matrix.TypeMessage, alice, map[string]any{"body": "hello", "msgtype": "m.text"})
	}
}

func BenchmarkVerifySignatures(b *testing.B) {
	room := eventtest.New(b, "12", alice, nil)
	public, err := eventtest.Keys("hs1", eventtest.KeyID, 0)
	keys := func(matrix.ServerName, matrix.KeyID, int64) (ed25519.PublicKey, error) { return public, err }
	p := room.Event(matrix.TypeMessage, alice, map[string]any{"body": "hello", "msgtype": "m.text"})
	for b.Loop() {
		if err := event.VerifySignatures(p, keys); err != nil {
			b.Fatal(err)
		}
	}
}
