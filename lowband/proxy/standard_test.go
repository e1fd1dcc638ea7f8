package proxy

import (
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"meshsim/lowband/airtest"
	"meshsim/lowband/coap"
	"meshsim/lowband/msc3079"
	"meshsim/lowband/records"
)

var psk = []records.PSK{{Identity: "c", Key: []byte("0123456789abcdef")}}

// bothStandard starts a near and a far side of MSC3079 on an air, in front of a handler.
func bothStandard(t *testing.T, air *airtest.Air, h http.Handler) *Near {
	t.Helper()
	path := coap.Path{RTT: 2 * air.Delay, Rate: air.Rate}
	flight := 10 * time.Second
	far, err := NewStandardFar(msc3079.ServerConfig{
		Records: records.Config{Conn: air.Open("far"), PSKs: psk, Flight: flight}, Path: path,
	}, &url.URL{Scheme: "http", Host: "hs"}, direct{h}, 5683)
	if err != nil {
		t.Fatal(err)
	}
	near, err := NewStandardNear(msc3079.ClientConfig{
		Records: records.Config{Conn: air.Open("near"), PSKs: psk, Flight: flight}, Server: airtest.Addr("far"), Path: path,
	})
	if err != nil {
		t.Fatal(err)
	}
	run(t, far)
	run(t, near)
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

// TestStandardStepsOfAClient compares the bytes on the wire with those that are aimed at for MSC3079 over DTLS.
func TestStandardStepsOfAClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := &airtest.Air{Rate: 1000, Delay: 200 * time.Millisecond}
		c := &client{t: t, near: bothStandard(t, air, newHomeserver(t))}
		step := func(name string, most int, f func()) {
			_, before := air.Used()
			start := time.Now()
			f()
			_, after := air.Used()
			t.Logf("%-28s %5d bytes, %5.1f s at 1 kbit/s; aimed at %d", name, after-before, time.Since(start).Seconds(), most)
			if after-before > most {
				t.Errorf("%s takes %d bytes, want at most %d", name, after-before, most)
			}
		}
		step("login with set-up", 1400, func() {
			c.token = c.do("POST", "/_matrix/client/v3/login",
				`{"type":"m.login.password","identifier":{"type":"m.id.user","user":"matthew"},"password":"secret"}`)["access_token"].(string)
		})
		var room, since string
		step("create a room", 500, func() {
			room = c.do("POST", "/_matrix/client/v3/createRoom", `{"preset":"private_chat","name":"a room"}`)["room_id"].(string)
		})
		filter := url.QueryEscape(`{"account_data":{"not_types":["m.push_rules"]}}`)
		step("initial sync without push rules", 1200, func() {
			since = c.do("GET", "/_matrix/client/v3/sync?filter="+filter, "")["next_batch"].(string)
		})
		step("initial sync with them", 1600, func() { since = c.do("GET", "/_matrix/client/v3/sync?timeout=0", "")["next_batch"].(string) })
		for _, txn := range []string{"m1", "m2", "m3"} {
			step("send a message", 300, func() {
				c.do("PUT", "/_matrix/client/v3/rooms/"+url.PathEscape(room)+"/send/m.room.message/"+txn,
					`{"msgtype":"m.text","body":"35 characters of a message, exactly"}`)
			})
		}
		step("incremental sync, 3 messages", 600, func() {
			c.do("GET", "/_matrix/client/v3/sync?timeout=0&since="+url.QueryEscape(since), "")
		})
	})
}
