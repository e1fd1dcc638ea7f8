package lowband

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"meshsim/lowband/airtest"
)

// What exchanges say that they took is what went through the air, to the byte: the handshake, bodies in blocks and answers
// that come in messages of their own included.
func TestMetersAddUpToWhatTheAirCarried(t *testing.T) {
	for _, c := range []struct {
		name string
		air  *airtest.Air
	}{
		{"clean", &airtest.Air{Delay: 100 * time.Millisecond}},
		{"slow", &airtest.Air{Rate: 2_000, Delay: time.Second}},
		{"lossy", &airtest.Air{Delay: 100 * time.Millisecond, Loss: 0.2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, c.air)
				var left int64 // bytes that hs0 has sent
				c.air.Tap = func(from, _ string, datagram []byte) {
					if from == "hs0" {
						left += int64(len(datagram)) + airtest.Headers
					}
				}
				a := w.start("hs0", nil)
				w.start("hs1", func(rw http.ResponseWriter, req *http.Request) {
					body, _ := io.ReadAll(req.Body)
					if strings.HasSuffix(req.URL.Path, "/slow") {
						time.Sleep(30 * time.Second)
					}
					rw.Header().Set("Content-Type", "application/json")
					_, _ = rw.Write(append(append([]byte(`{"b":`), body...), '}'))
				})
				var sent, received int64
				for i, path := range []string{"/quick", "/slow", "/quick"} {
					for _, size := range []int{2, 3000} {
						body := `"` + strings.Repeat(string(rune('a'+i)), size) + scrambled(size) + `"`
						var took Meter
						req := request(t, http.MethodPut, "hs1/_matrix/federation/v1/send"+path, body)
						res, err := a.RoundTrip(req.WithContext(WithMeter(t.Context(), &took)))
						if err != nil {
							t.Fatal(err)
						}
						res.Body.Close()
						there, back := took.Wire()
						if there < int64(size)/2 || back < int64(size)/2 { // they are deflated
							t.Errorf("%d bytes took %d there and %d back", size, there, back)
						}
						sent, received = sent+there, received+back
					}
				}
				time.Sleep(time.Hour)
				_, all := c.air.Used()
				if sent != left {
					t.Errorf("exchanges say that %d bytes were sent, the air that %d were", sent, left)
				}
				if c.air.Loss == 0 && sent+received != int64(all) {
					t.Errorf("exchanges took %d bytes there and %d back, the air carried %d", sent, received, all)
				}
				if received > int64(all)-left {
					t.Errorf("exchanges say that %d bytes came back, and only %d were sent", received, int64(all)-left)
				}
			})
		})
	}
}

// scrambled is a text that deflate cannot shorten much.
func scrambled(size int) string {
	var b strings.Builder
	for state := uint32(1); b.Len() < size; {
		state = state*1664525 + 1013904223
		b.WriteByte('0' + byte(state>>24)%75)
	}
	return strings.NewReplacer(`\`, "x", `"`, "y").Replace(b.String())
}
