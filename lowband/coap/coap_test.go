package coap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"
	"github.com/plgd-dev/go-coap/v3/udp/coder"
)

// line is a link between two associations: bytes take their time one after the other, then they travel.
type line struct {
	rate  int64 // bit/s
	delay time.Duration
	loss  float64

	mu   sync.Mutex
	rng  *rand.Rand
	free [2]time.Time
	ends [2]*Association
	kept [][]byte // what was sent
}

func (l *line) send(from int, datagram []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept = append(l.kept, bytes.Clone(datagram))
	now := time.Now()
	if l.free[from].Before(now) {
		l.free[from] = now
	}
	if l.rate > 0 {
		l.free[from] = l.free[from].Add(time.Duration(len(datagram)+datagramOverhead) * 8 * time.Second / time.Duration(l.rate))
	}
	if l.rng.Float64() < l.loss {
		return
	}
	copied := bytes.Clone(datagram)
	time.AfterFunc(l.free[from].Add(l.delay).Sub(now), func() { l.ends[1-from].Receive(copied) })
}

func (l *line) path() Path { return Path{RTT: 2 * l.delay, Rate: l.rate} }

// newLine connects two associations; the second one answers with handle.
func newLine(t *testing.T, l *line, handle func(context.Context, Request) Response) (client, server *Association) {
	t.Helper()
	l.rng = rand.New(rand.NewPCG(1, 2))
	for i := range l.ends {
		l.ends[i] = New(Config{Send: func(b []byte) { l.send(i, b) }, Handle: handle, Path: l.path, MaxBody: 1 << 20})
		t.Cleanup(l.ends[i].Close)
	}
	return l.ends[0], l.ends[1]
}

func echo(_ context.Context, req Request) Response {
	return Response{Code: codes.Content, Payload: req.Payload}
}

// TestSlowLinkOneRoundTrip: 100 bit/s, 1 s each way: one datagram there, one back, and nothing is sent twice.
func TestSlowLinkOneRoundTrip(t *testing.T) {
	for _, delay := range []time.Duration{0, time.Second, 4 * time.Second} {
		t.Run(delay.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &line{rate: 100, delay: delay}
				client, server := newLine(t, l, func(context.Context, Request) Response {
					return Response{Code: codes.Content, Payload: make([]byte, 20)}
				})
				for range 5 {
					begin := time.Now()
					if _, err := client.Do(t.Context(), Request{Method: codes.PUT, Payload: make([]byte, 300)}); err != nil {
						t.Fatal(err)
					}
					t.Log(time.Since(begin))
				}
				want := Stats{Sent: 5, Received: 5, SentBytes: 5 * 306, ReceivedBytes: 5 * 26}
				if diff := cmp.Diff(want, client.Stats()); diff != "" {
					t.Errorf("client (-want +got):\n%s", diff)
				}
				want.SentBytes, want.ReceivedBytes = want.ReceivedBytes, want.SentBytes
				if diff := cmp.Diff(want, server.Stats()); diff != "" {
					t.Errorf("server (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestBusySlowLinkRepeatsNothing: many requests at once, with large bodies, in both directions.
func TestBusySlowLinkRepeatsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &line{rate: 2400, delay: 500 * time.Millisecond}
		client, server := newLine(t, l, echo)
		var work sync.WaitGroup
		for i := range 10 {
			work.Go(func() {
				body := bytes.Repeat([]byte{byte(i)}, 500*i)
				if res, err := client.Do(t.Context(), Request{Method: codes.POST, Payload: body}); err != nil || !bytes.Equal(res.Payload, body) {
					t.Errorf("request %d: %d bytes, %v", i, len(res.Payload), err)
				}
			})
		}
		work.Wait()
		if n := client.Stats().Retransmitted + server.Stats().Retransmitted; n != 0 {
			t.Errorf("%d datagrams were repeated although none was lost", n)
		}
	})
}

// TestLossyLinkDeliversInOrder: 20 % loss at 1 kbit/s, 100 messages one after the other.
func TestLossyLinkDeliversInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &line{rate: 1000, delay: time.Second, loss: 0.2}
		var got []string
		client, server := newLine(t, l, func(_ context.Context, req Request) Response {
			got = append(got, string(req.Payload))
			return Response{Code: codes.Changed}
		})
		var want []string
		for i := range 100 {
			want = append(want, fmt.Sprintf("message %d of a hundred, with a few words in it", i))
			if _, err := client.Do(t.Context(), Request{Method: codes.PUT, Payload: []byte(want[i])}); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		t.Logf("client %+v\nserver %+v", client.Stats(), server.Stats())
		if server.Stats().Duplicates == 0 {
			t.Error("the link lost no answer, so this test shows nothing")
		}
	})
}

// TestLateAnswerComesSeparately: the handler takes a minute; the request is not repeated meanwhile.
func TestLateAnswerComesSeparately(t *testing.T) {
	for _, loss := range []float64{0, 0.3} {
		synctest.Test(t, func(t *testing.T) {
			l := &line{rate: 10_000, delay: 100 * time.Millisecond, loss: loss}
			var handled atomic.Int32
			client, _ := newLine(t, l, func(_ context.Context, req Request) Response {
				handled.Add(1)
				time.Sleep(time.Minute)
				return Response{Code: codes.Content, Payload: bytes.Repeat(req.Payload, 500)}
			})
			for range 5 {
				res, err := client.Do(t.Context(), Request{Method: codes.GET, Payload: []byte("abcd")})
				if err != nil || len(res.Payload) != 2000 {
					t.Fatalf("%d bytes, %v", len(res.Payload), err)
				}
			}
			if n := handled.Load(); n != 5 {
				t.Errorf("handled %d times", n)
			}
			if loss == 0 && client.Stats().Retransmitted != 0 {
				t.Errorf("%+v", client.Stats())
			}
		})
	}
}

// TestTransfersDoNotMix: concurrent bodies of the same method, in blocks both ways, over a bad link.
func TestTransfersDoNotMix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &line{rate: 50_000, delay: 50 * time.Millisecond, loss: 0.05}
		client, _ := newLine(t, l, echo)
		var work sync.WaitGroup
		for i := range 6 {
			work.Go(func() {
				body := bytes.Repeat([]byte(fmt.Sprintf("transfer %d.", i)), 2000+i)
				res, err := client.Do(t.Context(), Request{Method: codes.PUT, Payload: body})
				if err != nil || !bytes.Equal(res.Payload, body) {
					t.Errorf("transfer %d: %d bytes of %d, %v", i, len(res.Payload), len(body), err)
				}
			})
		}
		work.Wait()
	})
}

// TestAFloodDoesNotStopTheTimers: a peer has pings answered, faster than the link carries the answers, which others share. It
// drops most of them, so what is sent to somebody else and lost comes again before the link would have carried them all.
func TestAFloodDoesNotStopTheTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := func(shared *Line) func() Path {
			return func() Path { return Path{RTT: time.Second, Rate: 300, Line: shared} }
		}(&Line{})
		flooded := New(Config{Send: func([]byte) {}, Handle: echo, Path: path})
		other := New(Config{Send: func([]byte) {}, Handle: echo, Path: path})
		defer flooded.Close()
		defer other.Close()
		for i := range 20_000 { // hours
			flooded.Receive(encode(message.Message{Type: message.Confirmable, Code: codes.Empty, MessageID: int32(i)}))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, _ = other.Do(ctx, Request{Method: codes.GET}) // which nobody answers
		if other.Stats().Retransmitted == 0 {
			t.Error("nothing was repeated within an hour")
		}
	})
}

func TestDeadPeerIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := newLine(t, &line{loss: 1}, echo)
		_, err := client.Do(t.Context(), Request{Method: codes.GET, Payload: nil})
		var timeout *TimeoutError
		if !errors.As(err, &timeout) || timeout.Tries != maxTries {
			t.Errorf("got %v", err)
		}
	})
}

func TestContextAndCloseEndRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := newLine(t, &line{loss: 1}, echo)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := client.Do(ctx, Request{Method: codes.GET, Payload: nil}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		time.AfterFunc(time.Second, client.Close)
		if _, err := client.Do(t.Context(), Request{Method: codes.GET, Payload: make([]byte, 5000)}); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
		if _, err := client.Do(t.Context(), Request{Method: codes.GET, Payload: nil}); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}

func TestTooLargeBodiesAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := newLine(t, &line{}, func(_ context.Context, req Request) Response {
			return Response{Code: codes.Content, Payload: make([]byte, 2<<20)}
		})
		var transfer *TransferError
		if _, err := client.Do(t.Context(), Request{Method: codes.PUT, Payload: make([]byte, 2<<20)}); !errors.As(err, &transfer) || transfer.Code != codes.RequestEntityTooLarge {
			t.Errorf("sending: got %v", err)
		}
		if _, err := client.Do(t.Context(), Request{Method: codes.GET, Payload: nil}); !errors.As(err, &transfer) {
			t.Errorf("fetching: got %v", err)
		}
	})
}

// TestBlocksInWrongOrder: the peer sends the second block first, then one of another method, then of another size.
func TestBlocksInWrongOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent []message.Message
		a := New(Config{Send: func(b []byte) {
			m := message.Message{Options: make(message.Options, 0, maxOptions)}
			if _, err := coder.DefaultCoder.Decode(bytes.Clone(b), &m); err != nil {
				t.Error(err)
			}
			sent = append(sent, m)
		}, Handle: echo})
		defer a.Close()
		mid := int32(0)
		put := func(code codes.Code, b block, n int) {
			mid++
			a.Receive(encode(message.Message{Type: message.Confirmable, Code: code, MessageID: mid, Token: message.Token{1}, Payload: make([]byte, n),
				Options: message.Options{uintOption(message.Block1, b.encode()), {ID: requestTag, Value: []byte("x")}}}))
		}
		put(codes.PUT, block{num: 1, more: true, size: 256}, 256)
		put(codes.PUT, block{num: 0, more: true, size: 256}, 256)
		put(codes.POST, block{num: 1, more: true, size: 256}, 256)
		put(codes.PUT, block{num: 1, more: true, size: 16}, 16)
		put(codes.PUT, block{num: 1, more: true, size: 256}, 12)
		put(codes.PUT, block{num: 1, size: 256}, 12)
		synctest.Wait()
		var got []codes.Code
		for _, m := range sent {
			got = append(got, m.Code)
		}
		want := []codes.Code{codes.RequestEntityIncomplete, codes.Continue, codes.RequestEntityIncomplete, codes.RequestEntityIncomplete, codes.BadRequest, codes.Content}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// TestCodingOfRFC7252 is the example of a confirmable GET with a piggybacked answer (appendix A, figure 16) as far as
// this package uses it, and the block options of RFC 7959.
func TestCodingOfRFC7252(t *testing.T) {
	got := encode(message.Message{Type: message.Acknowledgement, Code: codes.Content, MessageID: 0x7d34, Payload: []byte("22.3 C")})
	if want := "\x60\x45\x7d\x34\xff22.3 C"; string(got) != want {
		t.Errorf("got %x, want %x", got, want)
	}
	for _, c := range []struct {
		b    block
		want uint32
	}{{block{num: 0, more: true, size: 1024}, 0x0e}, {block{num: 2, size: 128}, 0x23}, {block{num: 0, size: 16}, 0}} {
		if got := c.b.encode(); got != c.want {
			t.Errorf("%+v: got %#x, want %#x", c.b, got, c.want)
		}
	}
}

// FuzzReceive: whatever comes, nothing breaks, and what is sent back is CoAP.
func FuzzReceive(f *testing.F) {
	f.Add(encode(message.Message{Type: message.Confirmable, Code: codes.PUT, MessageID: 1, Token: message.Token{1}, Payload: []byte("x")}),
		encode(message.Message{Type: message.Acknowledgement, Code: codes.Content, MessageID: 1, Token: message.Token{1}}))
	f.Add(encode(message.Message{Type: message.Confirmable, Code: codes.PUT, MessageID: 1, Token: message.Token{1}, Payload: make([]byte, 16),
		Options: message.Options{uintOption(message.Block1, 8), {ID: requestTag, Value: []byte("x")}}}),
		encode(message.Message{Type: message.Confirmable, Code: codes.Content, MessageID: 2, Token: message.Token{1},
			Options: message.Options{uintOption(message.Block2, 8), uintOption(message.Size2, 100)}, Payload: make([]byte, 16)}))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		a := New(Config{
			Send: func(b []byte) {
				m := message.Message{Options: make(message.Options, 0, maxOptions)}
				if _, err := coder.DefaultCoder.Decode(b, &m); err != nil {
					t.Errorf("sent %x: %v", b, err)
				}
			},
			Handle: echo, MaxBody: 1 << 16,
		})
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = a.Do(context.Background(), Request{Method: codes.GET, Payload: nil})
		}()
		for range 2 {
			a.Receive(first)
			a.Receive(second)
		}
		a.Close()
		<-done
	})
}
