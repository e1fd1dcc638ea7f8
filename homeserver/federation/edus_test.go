package federation

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"meshsim/homeserver"
)

// taker takes transactions, unless it is away, and keeps how they came.
type taker struct {
	away atomic.Bool

	mu   sync.Mutex
	txns []incoming
}

func (r *taker) RoundTrip(req *http.Request) (*http.Response, error) {
	if r.away.Load() {
		return nil, errors.New("away")
	}
	raw, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	var txn incoming
	if err := json.Unmarshal(raw, &txn); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.txns = append(r.txns, txn)
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(`{"pdus":{}}`))}, nil
}

// sizes are the numbers of EDUs of the transactions since it was last asked, last the last EDU.
func (r *taker) sizes() (sizes, last string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	counts := []int{}
	for _, txn := range r.txns {
		counts = append(counts, len(txn.EDUs))
		for _, edu := range txn.EDUs {
			last = string(edu)
		}
	}
	r.txns = nil
	return fmt.Sprint(counts), last
}

func edu(kind, key string, n int) homeserver.EDU {
	return homeserver.EDU{Type: kind, Key: key, Content: json.RawMessage(fmt.Sprintf(`{"n":%d}`, n)), Fleeting: kind == "m.typing"}
}

func TestSenderBatchesEDUs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &taker{}
		to.away.Store(true)
		sender := NewSender(NewClient(testIdentity("a"), to, nil), DefaultRetry, slog.New(slog.DiscardHandler))
		defer sender.Close()
		send := func(edu homeserver.EDU) { sender.EnqueueEDU(edu, []string{"b"}) }

		send(edu("m.direct_to_device", "", 0))
		synctest.Wait() // the first transaction has failed
		for n := range 250 {
			send(edu("m.direct_to_device", "", n+1))
			send(edu("m.receipt", "room user", n))
			send(edu("m.typing", "room user", n))
		}
		to.away.Store(false)
		time.Sleep(time.Minute)
		sizes, last := to.sizes()
		if sizes != "[1 100 100 51]" {
			t.Errorf("the transactions have %s EDUs", sizes)
		}
		if last != `{"content":{"n":249},"edu_type":"m.receipt"}` {
			t.Errorf("the last EDU is %s", last)
		}

		// A large one travels alone.
		to.away.Store(true)
		send(edu("m.direct_to_device", "", 0))
		synctest.Wait()
		large := homeserver.EDU{Type: "m.direct_to_device", Content: json.RawMessage(`"` + strings.Repeat("x", maxEDUBytes) + `"`)}
		send(large)
		send(large)
		to.away.Store(false)
		time.Sleep(time.Minute)
		if got, _ := to.sizes(); got != "[1 1 1]" {
			t.Errorf("the transactions with large EDUs have %s", got)
		}
	})
}

// TestFleetingEDUs: what has nothing but fleeting EDUs is not tried again.
func TestFleetingEDUs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &taker{}
		to.away.Store(true)
		sender := NewSender(NewClient(testIdentity("a"), to, nil), DefaultRetry, slog.New(slog.DiscardHandler))
		defer sender.Close()
		sender.EnqueueEDU(edu("m.typing", "", 0), []string{"b"})
		time.Sleep(time.Minute)
		to.away.Store(false)
		time.Sleep(time.Minute)
		if got, _ := to.sizes(); got != "[]" {
			t.Errorf("after a minute transactions are sent with %s", got)
		}
		sender.EnqueueEDU(edu("m.typing", "", 1), []string{"b"})
		time.Sleep(time.Minute)
		if got, _ := to.sizes(); got != "[1]" {
			t.Errorf("to a server that is there: %s", got)
		}
		sender.mu.Lock()
		defer sender.mu.Unlock()
		if len(sender.queues) != 0 {
			t.Errorf("%d queues are left", len(sender.queues))
		}
	})
}

func testIdentity(name string) Identity {
	return Identity{Name: name, KeyID: "ed25519:1", Key: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))}
}
