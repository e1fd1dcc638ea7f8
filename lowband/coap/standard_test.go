package coap

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"
)

// newStandardLine connects two ends that take each other for any endpoint of CoAP.
func newStandardLine(t *testing.T, l *line, handle func(context.Context, Request) Response) (client, server *Association) {
	t.Helper()
	client, server = newLine(t, l, handle)
	for _, a := range l.ends {
		a.cfg.Options = func(message.OptionID) bool { return true }
	}
	return client, server
}

var path = message.Options{{ID: message.URIPath, Value: []byte("same")}}

// TestStandardTransfersDoNotMix: bodies to and from one path, in blocks, at the same time, over a bad link.
func TestStandardTransfersDoNotMix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &line{rate: 50_000, delay: 50 * time.Millisecond, loss: 0.05}
		client, _ := newStandardLine(t, l, echo)
		var work sync.WaitGroup
		for i := range 4 {
			work.Go(func() {
				body := bytes.Repeat([]byte(fmt.Sprintf("transfer %d.", i)), 400+i)
				res, err := client.Do(t.Context(), Request{Method: codes.PUT, Payload: body, Options: path})
				if err != nil || !bytes.Equal(res.Payload, body) {
					t.Errorf("transfer %d: %d bytes of %d, %v", i, len(res.Payload), len(body), err)
				}
			})
		}
		work.Wait()
	})
}

// TestObserve: what is told comes once and in order, large or small, over a link that loses; and it ends when the watch stops.
func TestObserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{})
		client, _ := newStandardLine(t, &line{rate: 10_000, delay: 100 * time.Millisecond, loss: 0.2}, func(_ context.Context, req Request) Response {
			go func() {
				defer close(ended)
				for i := 1; ; i++ {
					body := bytes.Repeat([]byte{byte(i)}, 1+i%2*3000)
					if req.Observer.Notify(Response{Code: codes.Content, Payload: body}) != nil {
						return
					}
				}
			}()
			return Response{Code: codes.Content, Payload: []byte{0}, Observed: true}
		})
		told := make(chan []byte)
		first, watch, err := client.Observe(t.Context(), Request{Method: codes.GET, Options: path}, func(res Response, err error) {
			if err == nil {
				told <- res.Payload
			}
		})
		if err != nil || watch == nil || !bytes.Equal(first.Payload, []byte{0}) {
			t.Fatal(first, watch, err)
		}
		for i := 1; i <= 10; i++ {
			if body := <-told; body[0] != byte(i) || len(body) != 1+i%2*3000 {
				t.Errorf("answer %d is %d bytes of %d", i, len(body), body[0])
			}
		}
		go func() { // what was on its way when the watch stopped
			for range told {
			}
		}()
		watch.Stop()
		<-ended
		client.Close()
		close(told)
	})
}

// TestObserveNumbers: 24 bits that begin again (RFC 7641, section 3.4).
func TestObserveNumbers(t *testing.T) {
	for name, c := range map[string]struct {
		number, last uint32
		want         bool
	}{
		"next":            {3, 2, true},
		"same":            {2, 2, false},
		"earlier":         {2, 3, false},
		"begins-again":    {0, 1<<24 - 1, true},
		"overtaken-there": {1<<24 - 1, 0, false},
		"half-way":        {1 << 23, 0, false},
	} {
		if got := follows(c.number, c.last); got != c.want {
			t.Errorf("%s: %d after %d is %t", name, c.number, c.last, got)
		}
	}
}

// TestPing: four bytes there, four back; nobody there is an error.
func TestPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &line{delay: time.Second}
		client, _ := newStandardLine(t, l, echo)
		if err := client.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		if len(l.kept) != 2 || len(l.kept[0]) != 4 || len(l.kept[1]) != 4 {
			t.Errorf("sent %x", l.kept)
		}
		l.mu.Lock()
		l.loss = 1
		l.mu.Unlock()
		if client.Ping(t.Context()) == nil {
			t.Error("nobody has answered")
		}
	})
}
