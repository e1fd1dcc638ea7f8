package proxy

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"meshsim/lowband/airtest"
	"meshsim/lowband/coap"
	"meshsim/lowband/msc3079"
	"meshsim/lowband/records"
)

var psk = []records.PSK{{Identity: "c", Key: []byte("0123456789abcdef")}}

// standard is a near and a far side of MSC3079 on an air, in front of a handler.
type standard struct {
	t    *testing.T
	air  *airtest.Air
	path coap.Path
	h    http.Handler
	psks []records.PSK // none: without encryption
}

const flight = 10 * time.Second

func newStandard(t *testing.T, air *airtest.Air, h http.Handler) *standard {
	return &standard{t: t, air: air, path: coap.Path{RTT: 2 * air.Delay, Rate: air.Rate}, h: h, psks: psk}
}

func (s *standard) records(conn net.PacketConn) records.Config {
	return records.Config{Conn: conn, PSKs: s.psks, Insecure: s.psks == nil, Flight: flight}
}

// far starts the far side, or starts it again.
func (s *standard) far() *Far {
	s.t.Helper()
	far, err := NewStandardFar(msc3079.ServerConfig{Records: s.records(s.air.Open("far")), Path: s.path},
		&url.URL{Scheme: "http", Host: "hs"}, direct{s.h}, 5683)
	if err != nil {
		s.t.Fatal(err)
	}
	run(s.t, far)
	return far
}

func (s *standard) near() (*Near, *airtest.Conn) {
	s.t.Helper()
	conn := s.air.Open("near")
	var sockets atomic.Int32
	near, err := NewStandardNear(msc3079.ClientConfig{
		Records: s.records(conn), Server: airtest.Addr("far"), Path: s.path, Open: func() (net.PacketConn, error) {
			return s.air.Open(fmt.Sprintf("near-%d", sockets.Add(1))), nil
		},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	run(s.t, near)
	return near, conn
}

func bothStandard(t *testing.T, air *airtest.Air, h http.Handler) *Near {
	t.Helper()
	s := newStandard(t, air, h)
	s.far()
	near, _ := s.near()
	return near
}

// run serves until the test ends.
func run(t *testing.T, s farEnd) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve()
	}()
	t.Cleanup(func() {
		s.Close()
		<-done
	})
}

// login logs in and makes a room.
func login(c *client) (room string) {
	c.token = c.do("POST", "/_matrix/client/v3/login",
		`{"type":"m.login.password","identifier":{"type":"m.id.user","user":"matthew"},"password":"secret"}`)["access_token"].(string)
	return c.do("POST", "/_matrix/client/v3/createRoom", `{"preset":"private_chat","name":"a room"}`)["room_id"].(string)
}

func say(c *client, room, txn string) {
	c.do("PUT", "/_matrix/client/v3/rooms/"+url.PathEscape(room)+"/send/m.room.message/"+txn, `{"msgtype":"m.text","body":"`+txn+`"}`)
}

// bodies are the texts of the messages in a sync.
func bodies(sync map[string]any) (all []string) {
	rooms, _ := sync["rooms"].(map[string]any)
	join, _ := rooms["join"].(map[string]any)
	for _, r := range join {
		timeline, _ := r.(map[string]any)["timeline"].(map[string]any)
		events, _ := timeline["events"].([]any)
		for _, e := range events {
			if e := e.(map[string]any); e["type"] == "m.room.message" {
				all = append(all, e["content"].(map[string]any)["body"].(string))
			}
		}
	}
	return all
}

// TestIdleStandardClient long-polls as clients do, with nothing happening: only a heartbeat a minute crosses the link.
func TestIdleStandardClient(t *testing.T) {
	table := figures(t, "standard")
	synctest.Test(t, func(t *testing.T) {
		air := &airtest.Air{Rate: 1000, Delay: 200 * time.Millisecond}
		c := &client{t: t, near: bothStandard(t, air, newHomeserver(t))}
		login(c)
		since := c.do("GET", "/_matrix/client/v3/sync?timeout=0", "")["next_batch"].(string)
		poll := func(until time.Duration) {
			for begun := time.Now(); time.Since(begun) < until; {
				since = c.do("GET", "/_matrix/client/v3/sync?timeout=30000&since="+url.QueryEscape(since), "")["next_batch"].(string)
			}
		}
		poll(5 * time.Minute)
		_, before := air.Used()
		poll(20 * time.Minute)
		_, after := air.Used()
		each := (after - before) / 20
		if each > 130 {
			t.Errorf("an idle client takes %d bytes a minute, want at most 130", each)
		}
		table.Measured("idle client, per minute", each)
	})
}

// TestNewsAreTold: a client that polls gets each message once and in order, over a link that loses some datagrams, and it
// need not ask across the link.
func TestNewsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hs := newHomeserver(t)
		air := &airtest.Air{Rate: 10_000, Delay: 300 * time.Millisecond, Loss: 0.1}
		c := &client{t: t, near: bothStandard(t, air, hs)}
		room := login(c)
		since := c.do("GET", "/_matrix/client/v3/sync?timeout=0", "")["next_batch"].(string)
		beside := &client{t: t, near: withOrigin{hs}, token: c.token}
		const messages = 20
		go func() {
			for i := range messages {
				time.Sleep(7 * time.Second)
				say(beside, room, fmt.Sprintf("m%d", i))
			}
		}()
		var got []string
		for len(got) < messages {
			sync := c.do("GET", "/_matrix/client/v3/sync?timeout=30000&since="+url.QueryEscape(since), "")
			since = sync["next_batch"].(string)
			got = append(got, bodies(sync)...)
		}
		for i, body := range got {
			if want := fmt.Sprintf("m%d", i); body != want {
				t.Errorf("message %d is %q", i, body)
			}
		}
	})
}

// withOrigin is a homeserver as a browser's client sees it.
type withOrigin struct{ http.Handler }

func (h withOrigin) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	h.Handler.ServeHTTP(w, req)
}

// TestStandardSessionsSurvive what happens to real ones: another address, hours of silence, a restart of either end.
func TestStandardSessionsSurvive(t *testing.T) {
	for name, psks := range map[string][]records.PSK{"dtls": psk, "insecure": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStandard(t, &airtest.Air{Rate: 10_000, Delay: 100 * time.Millisecond}, newHomeserver(t))
				s.psks = psks
				far := s.far()
				near, conn := s.near()
				c := &client{t: t, near: near}
				room := login(c)
				for _, txn := range []string{"before", "moved", "silent", "far-restarted", "near-restarted"} {
					switch txn {
					case "moved":
						conn.Move("elsewhere")
						if psks == nil { // an address is all that is known of who speaks
							c.near, conn = s.near()
						}
					case "silent":
						time.Sleep(9 * time.Hour)
					case "far-restarted":
						far.Close()
						s.far()
					case "near-restarted":
						near.Close()
						near, conn = s.near()
						conn.Move("elsewhere")
						c.near = near
					}
					say(c, room, txn)
				}
			})
		})
	}
}

// TestUsersOfOneProxy take turns, each with a session of their own that the others' do not end, and go on when one is lost.
func TestUsersOfOneProxy(t *testing.T) {
	for name, psks := range map[string][]records.PSK{"dtls": psk, "insecure": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStandard(t, &airtest.Air{Rate: 100_000, Delay: 100 * time.Millisecond}, newHomeserver(t))
				s.psks = psks
				far := s.far()
				near, _ := s.near()
				var users []*client
				for range 3 {
					c := &client{t: t, near: near}
					login(c)
					users = append(users, c)
				}
				devices := map[any]bool{}
				round := func() {
					for _, c := range users {
						devices[c.do("GET", "/_matrix/client/v3/account/whoami", "")["device_id"]] = true
					}
				}
				for range 5 {
					round()
				}
				if n := far.endpoint.(*msc3079.Server).Stats().Handshakes; psks != nil && n != uint64(len(users)) {
					t.Errorf("%d users took %d handshakes", len(users), n)
				}
				if len(devices) != len(users) {
					t.Errorf("%d users were taken for %d", len(users), len(devices))
				}
				nobody := httptest.NewRecorder()
				near.ServeHTTP(nobody, httptest.NewRequestWithContext(t.Context(), "GET", "/_matrix/client/v3/account/whoami", nil))
				if nobody.Code != http.StatusUnauthorized {
					t.Errorf("a request without a token is answered %d %s", nobody.Code, nobody.Body)
				}
				far.Close()
				s.far()
				round()
			})
		})
	}
}

// TestStandardOnABadLink: 20 % loss at 1 kbit/s from the first datagram of the handshake on.
func TestStandardOnABadLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := &airtest.Air{Rate: 1000, Delay: time.Second, Loss: 0.2}
		c := &client{t: t, near: bothStandard(t, air, newHomeserver(t))}
		room := login(c)
		for i := range 30 {
			say(c, room, fmt.Sprintf("m%d", i))
		}
		got := bodies(c.do("GET", "/_matrix/client/v3/sync?filter="+url.QueryEscape(`{"room":{"timeline":{"limit":50}}}`), ""))
		if len(got) != 30 {
			t.Errorf("%d messages arrived: %v", len(got), got)
		}
	})
}

// TestStandardCapability: clients are told where CoAP is.
func TestStandardCapability(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &client{t: t, near: bothStandard(t, &airtest.Air{}, newHomeserver(t))}
		got, _ := c.do("GET", "/_matrix/client/versions", "")["org.matrix.msc3079.low_bandwidth"].(map[string]any)
		if got["dtls"] != 5683.0 || got["cbor_enum_version"] != 1.0 || got["coap_enum_version"] != 1.0 {
			t.Errorf("got %v", got)
		}
	})
}

// TestLongQueries: an argument beyond what Uri-Query holds, and many arguments, arrive as they are.
func TestLongQueries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got string
		near := bothStandard(t, &airtest.Air{}, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { got = req.RequestURI }))
		for _, target := range []string{
			"/_matrix/client/v3/publicRooms?since=" + strings.Repeat("long", 100),
			"/_matrix/client/v3/publicRooms?" + strings.Repeat("a=b&", 60) + "z=1",
			"/_matrix/client/v3/rooms/%21r%2Fx:hs/event/$e?a=b%26c%3Dd",
			"/_matrix/client/v3/pushrules/",
		} {
			w := httptest.NewRecorder()
			near.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
			want, _ := url.Parse(target)
			back, err := url.Parse(got)
			if err != nil || w.Code != http.StatusOK || back.Path != want.Path || back.EscapedPath() == "" || back.Query().Encode() != want.Query().Encode() {
				t.Errorf("%s becomes %s (%d)", target, got, w.Code)
			}
		}
		w := httptest.NewRecorder()
		near.ServeHTTP(w, httptest.NewRequest("GET", "/_matrix/client/v3/sync?filter="+strings.Repeat("f", 2000), nil))
		if w.Code != http.StatusBadGateway || !strings.Contains(w.Body.String(), "filter") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}
