package coap

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"
)

// segments is a request whose path has n segments, each an option.
func segments(n int) []byte {
	m := message.Message{Type: message.Confirmable, Code: codes.GET, MessageID: 1, Token: message.Token{1}}
	for i := range n {
		m.Options = append(m.Options, message.Option{ID: message.URIPath, Value: []byte{'a' + byte(i%26)}})
	}
	return encode(m)
}

// TestNumberOfOptions: few and many arrive, in order; what has too many is counted and nothing else.
func TestNumberOfOptions(t *testing.T) {
	for _, n := range []int{0, 1, usualOptions, usualOptions + 1, maxOptions, maxOptions + 1} {
		synctest.Test(t, func(t *testing.T) {
			var got []byte
			handled := 0
			a := New(Config{
				Send:    func([]byte) {},
				Options: func(message.OptionID) bool { return true },
				Handle: func(_ context.Context, req Request) Response {
					handled++
					for _, o := range req.Options {
						got = append(got, o.Value...)
					}
					return Response{Code: codes.Content}
				},
			})
			defer a.Close()
			datagram := segments(n)
			a.Receive(datagram)
			clear(datagram) // it is not kept
			synctest.Wait()
			if n > maxOptions {
				if handled != 0 || a.Stats().Malformed != 1 {
					t.Errorf("%d options: handled %d times, %d malformed", n, handled, a.Stats().Malformed)
				}
				return
			}
			want := make([]byte, n)
			for i := range want {
				want[i] = 'a' + byte(i%26)
			}
			if handled != 1 || !bytes.Equal(got, want) {
				t.Errorf("%d options: handled %d times with %q", n, handled, got)
			}
		})
	}
}

// BenchmarkReceive takes answers that nobody waits for any more: reading is all there is to do.
func BenchmarkReceive(b *testing.B) {
	a := New(Config{Send: func([]byte) {}, Handle: func(context.Context, Request) Response { return Response{} }})
	defer a.Close()
	datagram := encode(message.Message{
		Type: message.Acknowledgement, Code: codes.Content, MessageID: 1, Token: message.Token{1},
		Options: message.Options{uintOption(message.Block2, 0x0e)}, Payload: make([]byte, 100),
	})
	b.ReportAllocs()
	for b.Loop() {
		a.Receive(datagram)
	}
}
