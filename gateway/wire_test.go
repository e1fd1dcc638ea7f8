package gateway

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"meshsim/telemetry"
)

// carriedIn returns what was reported, and the sum.
func carriedIn(n *notes) (all []telemetry.Carried, sum telemetry.Wire) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, note := range n.all {
		if c, ok := note.(telemetry.Carried); ok {
			all = append(all, c)
			sum.There += c.Wire.There
			sum.Back += c.Wire.Back
		}
	}
	return all, sum
}

// Over connections that do not count packets, what is reported adds up to the bytes of TLS, to the byte: handshakes, heads,
// answers and what no event has caused included.
func TestWhatAnExchangeTookIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.rooms.Learn("!r:hs0", "11", "")
		from, stopFrom := w.gateway(0, nil)
		_, stopTo := w.gateway(1, func(rw http.ResponseWriter, req *http.Request) {
			_, _ = io.Copy(io.Discard, req.Body)
			_, _ = io.WriteString(rw, `{"pdus":{}}`)
		})
		defer stopTo()
		defer stopFrom()

		send := func(txn string, pdus ...json.RawMessage) {
			t.Helper()
			if _, err := sendTxn(t, from, "hs1", txn, pdus...); err != nil {
				t.Fatal(err)
			}
			synctest.Wait() // until the peer's last write has returned, too
		}
		send("t1", pdu("x"), pdu(strings.Repeat("long", 400)))
		first, sum := carriedIn(w.notes)
		if len(first) != 2 || first[0].To != 1 || first[0].Transport != telemetry.HTTPS || first[0].Attempt != 1 || first[0].Wire.Headers {
			t.Fatalf("reported: %+v", first)
		}
		if all := w.pipes.bytes.Load(); sum.There+sum.Back != all {
			t.Errorf("%d bytes there and %d back, of %d", sum.There, sum.Back, all)
		}
		if ratio := float64(first[1].Wire.There) / float64(first[0].Wire.There); ratio < 5 {
			t.Errorf("an event of %d bytes has %d, one of %d has %d", first[0].Event.Bytes, first[0].Wire.There, first[1].Event.Bytes, first[1].Wire.There)
		}

		before := w.pipes.bytes.Load()
		send("t2") // carries no event, and nothing of it falls to the next
		between := w.pipes.bytes.Load()
		send("t3", pdu("y"))
		all, _ := carriedIn(w.notes)
		last := all[len(all)-1].Wire
		if len(all) != 3 || last.There+last.Back != w.pipes.bytes.Load()-between || between == before {
			t.Errorf("on a warm connection: %+v, of %d", last, w.pipes.bytes.Load()-between)
		}
	})
}

// A transaction that is refused took its bytes, too; one that never had a connection took none.
func TestWhatAFailedExchangeTook(t *testing.T) {
	for _, c := range []struct {
		to   string
		want string
	}{{"hs1", "sent 1|failed 1|carried 1"}, {"hs2", "sent 1|failed 1"}} {
		t.Run(c.to, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				from, stopFrom := w.gateway(0, nil)
				_, stopTo := w.gateway(1, func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusForbidden) })
				defer stopTo()
				defer stopFrom()
				_, _ = sendTxn(t, from, c.to, "t1", pdu("x"))
				var got []string
				for _, n := range w.notes.all {
					switch n := n.(type) {
					case telemetry.Sent:
						got = append(got, fmt.Sprint("sent ", n.Attempt))
					case telemetry.Failed:
						got = append(got, fmt.Sprint("failed ", n.Attempt))
					case telemetry.Carried:
						got = append(got, fmt.Sprint("carried ", n.Attempt))
					}
				}
				if strings.Join(got, "|") != c.want {
					t.Errorf("reported %v, want %s", got, c.want)
				}
			})
		})
	}
}
