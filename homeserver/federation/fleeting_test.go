package federation

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"meshsim/matrix/event/eventtest"
)

// distant takes transactions, each in some time, and keeps what came and when it began.
type distant struct {
	takes  time.Duration
	began  time.Time
	answer string

	mu  sync.Mutex
	got []string
}

func (d *distant) RoundTrip(req *http.Request) (*http.Response, error) {
	raw, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	var txn struct {
		PDUs []json.RawMessage `json:"pdus"`
		EDUs []struct {
			Type    string `json:"edu_type"`
			Content struct{ N int }
		} `json:"edus"`
	}
	if err := json.Unmarshal(raw, &txn); err != nil {
		return nil, err
	}
	line := fmt.Sprintf("%v: %d events", time.Since(d.began), len(txn.PDUs))
	for _, edu := range txn.EDUs {
		line += fmt.Sprintf(" %s %d", edu.Type, edu.Content.N)
	}
	d.mu.Lock()
	d.got = append(d.got, line)
	d.mu.Unlock()
	time.Sleep(d.takes)
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(d.answer))}, nil
}

// toDistant runs f with a sender to one server b, and compares what that has got.
func toDistant(t *testing.T, takes time.Duration, f func(pdu func(), edu func(kind string, n int)), want ...string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		message := eventtest.New(t, "12", "@u:a", nil).Event("m.room.message", "@u:a", map[string]any{"body": "x"})
		d := &distant{takes: takes, began: time.Now(), answer: fmt.Sprintf(`{"pdus":{%q:{}}}`, message.ID())}
		sender := NewSender(NewClient(testIdentity("a"), d, nil), DefaultRetry, slog.New(slog.DiscardHandler))
		defer sender.Close()
		f(func() { sender.Enqueue(message, []string{"b"}) }, func(kind string, n int) {
			e := edu(kind, "key", n)
			if kind == "m.typing" {
				e.Lasts = 30 * time.Second
			}
			sender.EnqueueEDU(e, []string{"b"})
		})
		time.Sleep(time.Hour)
		d.mu.Lock()
		if diff := cmp.Diff(want, d.got); diff != "" {
			t.Error(diff)
		}
		d.mu.Unlock()
		sender.mu.Lock()
		defer sender.mu.Unlock()
		if len(sender.queues) != 0 {
			t.Errorf("%d queues are left", len(sender.queues))
		}
	})
}

// TestEventsGoBeforeWhatIsFleeting: to a server that is far, typing waits, gives way to events and to newer typing, and
// is dropped when it has waited for too long.
func TestEventsGoBeforeWhatIsFleeting(t *testing.T) {
	const typing, receipt = "m.typing", "m.receipt"
	toDistant(t, 10*time.Second, func(pdu func(), edu func(string, int)) {
		pdu() // from now on the server is known to be far
		time.Sleep(20 * time.Second)
		edu(typing, 1)
		time.Sleep(3 * time.Second)
		pdu()
		time.Sleep(time.Second)
		edu(typing, 2)
		edu(receipt, 1)
		time.Sleep(3 * time.Second)
		edu(receipt, 2)
		edu(receipt, 3)
	},
		"0s: 1 events",
		"23s: 1 events",
		"33s: 0 events m.typing 2 m.receipt 3",
	)
	toDistant(t, 10*time.Second, func(pdu func(), edu func(string, int)) {
		pdu()
		time.Sleep(20 * time.Second)
		edu(typing, 1)
	}, "0s: 1 events", "30s: 0 events m.typing 1")
	toDistant(t, 10*time.Second, func(pdu func(), edu func(string, int)) {
		pdu()
		time.Sleep(2 * time.Second) // that one is under way
		for range 51 {
			pdu()
		}
		edu(typing, 1)
		edu(receipt, 1)
		for range 3 {
			time.Sleep(9500 * time.Millisecond)
			pdu()
		}
	}, "0s: 1 events", "10s: 50 events m.receipt 1", "20s: 2 events", "30s: 1 events", "40s: 1 events")
}

// TestNearServersHearAtOnce: where transactions are quick, typing goes along with events and does not wait.
func TestNearServersHearAtOnce(t *testing.T) {
	toDistant(t, 100*time.Millisecond, func(pdu func(), edu func(string, int)) {
		pdu()
		time.Sleep(10 * time.Millisecond)
		pdu()
		edu("m.typing", 1)
		time.Sleep(time.Second)
		edu("m.typing", 2)
	}, "0s: 1 events", "100ms: 1 events m.typing 1", "1.01s: 0 events m.typing 2")
}
