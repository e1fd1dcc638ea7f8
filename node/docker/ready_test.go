//go:build linux

package docker

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A homeserver is asked less and less often, each time for a while only, and not for ever.
func TestPoll(t *testing.T) {
	refusing := func(context.Context) (string, bool) { return "503", false }
	for _, c := range []struct {
		slug  string
		ask   func(context.Context) (string, bool)
		end   time.Duration // of the container
		limit time.Duration // of ctx
		fails error
		most  int // questions
		takes time.Duration
	}{
		{"never-answers", refusing, time.Hour, time.Hour, errTooLate, 800, 5 * time.Minute},
		{"hangs", func(ctx context.Context) (string, bool) { <-ctx.Done(); return "503", false }, time.Hour, time.Hour, errTooLate, 40, 5 * time.Minute},
		{"ends", refusing, 30 * time.Second, time.Hour, errEnded, 400, 30 * time.Second},
		{"called-off", refusing, time.Hour, 20 * time.Second, context.DeadlineExceeded, 400, 20 * time.Second},
	} {
		t.Run(c.slug, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), c.limit)
				defer cancel()
				ended := make(chan struct{})
				dying := time.AfterFunc(c.end, func() { close(ended) })
				defer dying.Stop()
				asked, begun := 0, time.Now()
				last, err := poll(ctx, ended, readyWithin, func(ctx context.Context) (string, bool) {
					asked++
					return c.ask(ctx)
				})
				if took := time.Since(begun); !errors.Is(err, c.fails) || last != "503" || took < c.takes || took > c.takes+readyAnswer+readyLongest {
					t.Errorf("%v after %v, last %q; want %v after %v", err, took, last, c.fails, c.takes)
				}
				if asked > c.most {
					t.Errorf("asked %d times, want %d at most", asked, c.most)
				}
			})
		})
	}
}

// What was asked and what came is said of a homeserver that never works.
func TestNeverReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := answering(t, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
		const want = "it has not answered GET /up on port 8008 with status 200 within 1m0s, last 503 Busy: see its log, and ready and ready_within in mine.yaml"
		if err := n.awaitReady(t.Context()); err == nil || err.Error() != want {
			t.Errorf("error %v\nwant  %s", err, want)
		}
		n.inside.CloseIdleConnections()
	})
}

// The head of an answer that does not end is not read for ever.
func TestEndlessHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := answering(t, "HTTP/1.1 200 OK\r\n"+strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 2*maxHeader/1000))
		begun := time.Now()
		if answer, ok := n.ready(t.Context()); ok || time.Since(begun) > 0 {
			t.Errorf("answer %q, %v after %v", answer, ok, time.Since(begun))
		}
	})
}

// answering is a homeserver that answers each connection with a text and then waits.
func answering(t *testing.T, text string) *running {
	t.Helper()
	preset := &Preset{ClientPort: 8008, Ready: "/up", ReadyWithin: time.Minute, source: "mine.yaml"}
	n := &running{driver: &Driver{cfg: Config{Preset: preset}}, exited: make(chan struct{})}
	n.inside = n.newTransport()
	n.inside.DialContext = func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			_, _ = theirs.Read(make([]byte, 4096))
			_, _ = io.WriteString(theirs, text)
			_, _ = theirs.Read(make([]byte, 4096)) // until it is closed, or asked again
		}()
		return ours, nil
	}
	return n
}
