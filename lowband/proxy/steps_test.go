package proxy

import (
	"context"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"

	"meshsim/lowband/airtest"
	"meshsim/lowband/coap"
	"meshsim/lowband/records"
)

// visit is a client that logs in, makes a room and talks.
type visit struct {
	*client
	room, since string
}

const sending = "client sends a message (35 characters), and its answer"

// figures are the tables of PROTOCOL.md by wire format.
func figures(t *testing.T, wire string) *airtest.Figures {
	t.Helper()
	return airtest.ReadFigures(t, "../PROTOCOL.md", map[string]string{
		"compact": "| step | HTTPS | coap-proxy (2019) | this |", "standard": "| step | aimed at | measured |",
	}[wire])
}

// steps are those that coap-proxy was measured with in 2019, each with the bytes on the wire that it may take, IPv4 and UDP
// headers included: in the compact format and in MSC3079's. What they do take is in the tables of PROTOCOL.md, by these names.
var steps = []struct {
	name              string
	compact, standard int
	do                func(*visit)
}{
	{"login with connection set-up", 480, 1400, func(v *visit) {
		v.token = v.do("POST", "/_matrix/client/v3/login",
			`{"type":"m.login.password","identifier":{"type":"m.id.user","user":"matthew"},"password":"secret"}`)["access_token"].(string)
	}},
	{"create a room", 271, 271, func(v *visit) {
		v.room = v.do("POST", "/_matrix/client/v3/createRoom", `{"preset":"private_chat","name":"a room"}`)["room_id"].(string)
	}},
	{"initial sync of one small room", 1000, 1200, func(v *visit) {
		v.since = v.do("GET", "/_matrix/client/v3/sync?timeout=0", "")["next_batch"].(string)
	}},
	{sending, 210, 300, func(v *visit) { v.say("m1") }},
	{sending, 210, 300, func(v *visit) { v.say("m2") }},
	{sending, 210, 300, func(v *visit) { v.say("m3") }},
	{"incremental sync, 3 messages", 480, 600, func(v *visit) {
		v.do("GET", "/_matrix/client/v3/sync?timeout=0&since="+url.QueryEscape(v.since), "")
	}},
}

func (v *visit) say(txn string) {
	v.do("PUT", "/_matrix/client/v3/rooms/"+url.PathEscape(v.room)+"/send/m.room.message/"+txn,
		`{"msgtype":"m.text","body":"35 characters of a message, exactly"}`)
}

func TestStepsOfAClient(t *testing.T) {
	for wire, start := range map[string]func(*testing.T, *airtest.Air, http.Handler) *Near{"compact": both, "standard": bothStandard} {
		t.Run(wire, func(t *testing.T) {
			table := figures(t, wire)
			synctest.Test(t, func(t *testing.T) {
				air := &airtest.Air{Rate: 1000, Delay: 200 * time.Millisecond}
				v := &visit{client: &client{t: t, near: start(t, air, newHomeserver(t))}}
				for _, s := range steps {
					most := s.compact
					if wire == "standard" {
						most = s.standard
					}
					_, before := air.Used()
					begun := time.Now()
					s.do(v)
					_, after := air.Used()
					t.Logf("%-54s %5d bytes, %5.1f s at 1 kbit/s; at most %d", s.name, after-before, time.Since(begun).Seconds(), most)
					if after-before > most {
						t.Errorf("%s takes %d bytes, want at most %d", s.name, after-before, most)
					}
					table.Measured(s.name, after-before)
				}
			})
		})
	}
}

// TestInitialSyncOfOtherClients is what the step takes a client that says nothing beyond the proposal, one that asks for the
// deflate coding, and one that asks for it with our dictionary.
func TestInitialSyncOfOtherClients(t *testing.T) {
	const deflate, dictionary = 11060, 65001
	rows := map[uint16]string{0: "the same, asked for as proposed", deflate: "the same, asked for with the deflate coding alone"}
	for name, accept := range map[string]uint16{"as-proposed": 0, "deflate": deflate, "dictionary": dictionary} {
		t.Run(name, func(t *testing.T) {
			table := figures(t, "standard")
			synctest.Test(t, func(t *testing.T) {
				air := &airtest.Air{Rate: 1000, Delay: 200 * time.Millisecond}
				homeserver := newHomeserver(t)
				s := newStandard(t, air, homeserver)
				s.far()
				beside := &client{t: t, near: withOrigin{homeserver}}
				login(beside)
				ask := s.other()
				if res := ask("I", message.Option{ID: 256, Value: []byte(beside.token)}, message.Option{ID: 257, Value: []byte{1}}); res.Code != codes.Content {
					t.Fatalf("joined rooms: %v", res.Code)
				}
				var options []message.Option
				if accept > 0 {
					options = append(options, message.Option{ID: message.Accept, Value: []byte{byte(accept >> 8), byte(accept)}})
				}
				_, before := air.Used()
				res := ask("7", options...)
				_, after := air.Used()
				if format, _ := res.Options.GetUint32(message.ContentFormat); res.Code != codes.Content || accept > 0 && format != uint32(accept) {
					t.Errorf("%v, format %d", res.Code, format)
				}
				t.Logf("%d bytes", after-before)
				if row, ok := rows[accept]; ok {
					table.Measured(row, after-before)
				}
				if most := 1200; accept == dictionary && after-before > most {
					t.Errorf("want at most %d", most)
				}
			})
		})
	}
}

// other is a client of MSC3079 that is not ours: it does what it is told.
func (s *standard) other() func(path string, options ...message.Option) coap.Response {
	s.t.Helper()
	endpoint, err := records.New(s.records(s.air.Open("other")))
	if err != nil {
		s.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = endpoint.Run()
	}()
	var association *coap.Association
	_, err = endpoint.Dial(s.t.Context(), airtest.Addr("far"), func(session *records.Session) records.Handler {
		association = coap.New(coap.Config{
			Send: session.Send, Path: func() coap.Path { return s.path }, Options: func(message.OptionID) bool { return true },
			Handle: func(context.Context, coap.Request) coap.Response { return coap.Response{Code: codes.NotFound} },
		})
		return records.Handler{Receive: association.Receive}
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		association.Close()
		endpoint.Close()
		<-done
	})
	return func(path string, options ...message.Option) coap.Response {
		s.t.Helper()
		res, err := association.Do(s.t.Context(), coap.Request{
			Method: codes.GET, Options: append(message.Options{{ID: message.URIPath, Value: []byte(path)}}, options...),
		})
		if err != nil {
			s.t.Fatal(err)
		}
		return res
	}
}
