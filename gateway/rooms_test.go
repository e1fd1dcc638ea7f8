package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"meshsim/link"
	"meshsim/matrix"
	"meshsim/matrix/event"
)

func TestVersionIsLearnedFromWhatPasses(t *testing.T) {
	const redaction = `{"auth_events":[],"content":{"redacts":"$a"},"depth":1,"hashes":{},"origin_server_ts":1,"prev_events":[],` +
		`"room_id":"!r:hs0","sender":"@a:hs0","signatures":{},"type":"m.room.redaction"}`
	raw := json.RawMessage(redaction)
	v10, v11 := eventID(t, raw, "10"), eventID(t, raw, "11")
	if v10 == v11 {
		t.Fatal("the event must have different ids in versions 10 and 11")
	}
	create := `{"auth_events":[],"content":{"room_version":"10","creator":"@a:hs0"},"depth":1,"hashes":{},"origin_server_ts":1,` +
		`"prev_events":[],"room_id":"!r:hs0","sender":"@a:hs0","signatures":{},"state_key":"","type":"m.room.create"}`
	cases := []struct {
		slug  string
		learn func(*Rooms)
		want  string
	}{
		{"nothing", func(*Rooms) {}, v11},
		{"create", func(r *Rooms) { r.Event(json.RawMessage(create), "") }, v10},
		{"make-join", func(r *Rooms) { r.Learn("!r:hs0", "10", "") }, v10},
		{"unknown-version", func(r *Rooms) { r.Learn("!r:hs0", "99", "") }, v11},
		{"invite", func(r *Rooms) {
			u, _ := url.Parse("https://hs1/_matrix/federation/v2/invite/%21r:hs0/$e")
			r.carried(http.MethodPut, u, []byte(`{"room_version":"10","event":{}}`), "")
		}, v10},
	}
	for _, c := range cases {
		t.Run(c.slug, func(t *testing.T) {
			r := NewRooms()
			c.learn(r)
			if got := r.Event(raw, "").ID; got != c.want {
				t.Errorf("id %s, want %s", got, c.want)
			}
		})
	}
}

// What a stranger says of a room, in whatever it sends, changes nothing that is known, and what the room's own server says
// stands for good.
func TestStrangersDoNotChangeVersions(t *testing.T) {
	create := json.RawMessage(`{"auth_events":[],"content":{"room_version":"10"},"depth":1,"hashes":{},"origin_server_ts":1,` +
		`"prev_events":[],"room_id":"!r:hs0","sender":"@a:hs9","signatures":{},"state_key":"","type":"m.room.create"}`)
	u, _ := url.Parse("https://hs1/_matrix/federation/v2/invite/%21r:hs0/$e")
	lies := map[string]func(r *Rooms, by string){
		"invite": func(r *Rooms, by string) {
			r.carried(http.MethodPut, u, []byte(`{"room_version":"10","event":{}}`), by)
		},
		"make-join": func(r *Rooms, by string) { r.Learn("!r:hs0", "10", by) },
		"create":    func(r *Rooms, by string) { r.Event(create, by) },
	}
	for slug, lie := range lies {
		for _, by := range []string{"hs9", ""} {
			t.Run(slug+"-by-"+by, func(t *testing.T) {
				for _, first := range []string{"hs0", "hs1"} {
					r := NewRooms()
					r.Learn("!r:hs0", "11", first)
					lie(r, by)
					if v := r.version("!r:hs0"); v.ID != "11" {
						t.Errorf("what %s said first is forgotten: the version is %s", first, v.ID)
					}
				}
				r := NewRooms()
				lie(r, by)
				r.Learn("!r:hs0", "11", "hs0")
				if v := r.version("!r:hs0"); v.ID != "11" {
					t.Errorf("the room's own server is not believed: the version is %s", v.ID)
				}
			})
		}
	}
}

func TestCarriedEvents(t *testing.T) {
	one := string(pdu("x"))
	cases := []struct {
		slug, method, path, body string
		events                   int
		txn                      string
	}{
		{"send", "PUT", "/_matrix/federation/v1/send/42", `{"pdus":[` + one + `,` + one + `]}`, 2, "42"},
		{"send-escaped", "PUT", "/_matrix/federation/v1/send/a%2Fb", `{"pdus":[` + one + `]}`, 1, "a/b"},
		{"send-join", "PUT", "/_matrix/federation/v2/send_join/!r:hs0/$e", one, 1, ""},
		{"send-leave", "PUT", "/_matrix/federation/v1/send_leave/!r:hs0/$e", one, 1, ""},
		{"invite-v1", "PUT", "/_matrix/federation/v1/invite/!r:hs0/$e", one, 1, ""},
		{"invite-v2", "PUT", "/_matrix/federation/v2/invite/!r:hs0/$e", `{"room_version":"11","event":` + one + `}`, 1, ""},
		{"get", "GET", "/_matrix/federation/v1/send/42", `{"pdus":[` + one + `]}`, 0, ""},
		{"client", "PUT", "/_matrix/client/v3/send/42", `{"pdus":[` + one + `]}`, 0, ""},
		{"short", "PUT", "/_matrix/federation/v1", "", 0, ""},
		{"broken", "PUT", "/_matrix/federation/v1/send/42", `{"pdus":[`, 0, "42"},
	}
	for _, c := range cases {
		t.Run(c.slug, func(t *testing.T) {
			u, err := url.Parse("https://hs1" + c.path)
			if err != nil {
				t.Fatal(err)
			}
			events, txn := NewRooms().carried(c.method, u, []byte(c.body), "")
			if len(events) != c.events || txn != c.txn {
				t.Errorf("%d events, txn %q; want %d, %q", len(events), txn, c.events, c.txn)
			}
		})
	}
}

// The versions of rooms that are used stay known, and those of other rooms do not add up.
func TestVersionsAreBounded(t *testing.T) {
	r := NewRooms()
	r.Learn("!used:hs0", "10", "")
	for i := range 5 * recentRooms {
		r.Learn(fmt.Sprintf("!%d:hs0", i), "10", "")
		if v := r.version("!used:hs0"); v.ID != "10" {
			t.Fatalf("after %d other rooms its version is taken for %s", i, v.ID)
		}
	}
	if n := len(r.versions) + len(r.earlier); n > 2*recentRooms {
		t.Errorf("%d versions remembered, want at most %d", n, 2*recentRooms)
	}
	if v := r.version("!0:hs0"); v.ID != "11" {
		t.Error("a room that was named once, long ago, is remembered")
	}
}

func TestSameContentIsDescribedOnce(t *testing.T) {
	r := NewRooms()
	if first, again := r.Event(pdu("x"), ""), r.Event(pdu("x"), ""); first != again {
		t.Error("two descriptions of the same bytes")
	}
	for i := range 3 * recentEvents {
		r.Event(pdu(fmt.Sprint(i)), "")
	}
	if n := len(r.recent.bySum) + len(r.older.bySum); n > 2*recentEvents {
		t.Errorf("%d events remembered, want at most %d", n, 2*recentEvents)
	}
}

func TestReceiverDescribesWhatTheSenderSent(t *testing.T) {
	r := NewRooms()
	raw := pdu("x")
	v, _ := matrix.LookupRoomVersion("11")
	parsed, err := event.Parse(raw, v)
	if err != nil {
		t.Fatal(err)
	}
	if first, again := r.Describe(parsed), r.Describe(parsed); first != again {
		t.Error("two descriptions of one PDU")
	}
	other := NewRooms()
	if sent := other.Event(raw, ""); other.Describe(parsed) != sent {
		t.Error("the receiver's description is not the sender's")
	}
}

func TestTimeoutsFollowSizeAndPath(t *testing.T) {
	slow := Path{RTT: 2 * time.Second, Rate: 100}
	if d := wire(450, 100); d < 36*time.Second || d > 40*time.Second {
		t.Errorf("450 bytes at 100 bit/s take %v, want 36 s and some headers", d)
	}
	if d := wire(1<<40, link.Unlimited); d != 0 {
		t.Errorf("unlimited takes %v", d)
	}
	for _, n := range []int64{0, 1000, 50_000} {
		if got, need := slow.answerTimeout(n), 2*(4*slow.RTT+wire(n+setupBytes, slow.Rate)); got < need {
			t.Errorf("%d bytes at 100 bit/s get %v, twice what they need is %v", n, got, need)
		}
	}
	fast := Path{RTT: time.Millisecond}
	if d := fast.answerTimeout(1000); d > time.Minute {
		t.Errorf("a fast path gets %v: failures would hide", d)
	}
	if d := (Path{Rate: 1}).answerTimeout(1 << 50); d != maxTimeout {
		t.Errorf("hopeless paths get %v, want %v", d, maxTimeout)
	}
}

func FuzzCarried(f *testing.F) {
	f.Add("PUT", "/_matrix/federation/v1/send/42", `{"pdus":[`+string(pdu("x"))+`]}`)
	f.Add("PUT", "/_matrix/federation/v2/invite/!r:x/$e", `{"room_version":"12","event":{"type":"m.room.create"}}`)
	f.Fuzz(func(t *testing.T, method, path, body string) {
		u, err := url.Parse(path)
		if err != nil {
			return
		}
		events, _ := NewRooms().carried(method, u, []byte(body), "")
		for _, e := range events {
			if e == nil || !strings.HasPrefix(e.ID, "$") {
				t.Errorf("event %+v", e)
			}
		}
	})
}

func BenchmarkCarriedTo99Servers(b *testing.B) {
	r := NewRooms()
	u, _ := url.Parse("https://hs1/_matrix/federation/v1/send/42")
	body := []byte(`{"pdus":[` + string(pdu("hello")) + `]}`)
	b.ReportAllocs()
	for b.Loop() {
		for range 99 {
			r.carried(http.MethodPut, u, body, "")
		}
	}
}
