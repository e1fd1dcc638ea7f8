package homeserver

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
)

func TestTransactionUnderWayIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		device := &Device{User: "@a:hs0", ID: "A"}
		txn := Transaction{Endpoint: "send", ID: "1"}
		release := make(chan struct{})
		answers := make(chan string, 3)
		for range 3 {
			go func() {
				id, err := device.Once(t.Context(), txn, func(built func(string)) error {
					built("$event")
					<-release
					return nil
				})
				if err != nil {
					t.Error(err)
				}
				answers <- id
			}()
		}
		synctest.Wait()
		if id, ok := device.TransactionOf("$event"); !ok || id != "1" {
			t.Errorf("the device does not know its event before it is sent: %q, %v", id, ok)
		}
		impatient, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := device.Once(impatient, txn, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("a request that ended: %v", err)
		}
		close(release)
		for range 3 {
			if id := <-answers; id != "$event" {
				t.Errorf("answered %q", id)
			}
		}
	})
}

func TestFailedTransactionIsForgotten(t *testing.T) {
	device := &Device{}
	txn := Transaction{Endpoint: "send", ID: "1"}
	refused := errors.New("refused")
	fails := func(built func(string)) error { built("$gone"); return refused }
	if _, err := device.Once(t.Context(), txn, fails); !errors.Is(err, refused) {
		t.Fatalf("got %v", err)
	}
	if _, ok := device.TransactionOf("$gone"); ok {
		t.Error("an event that was never sent is remembered")
	}
	id, err := device.Once(t.Context(), txn, func(built func(string)) error { built("$sent"); return nil })
	if id != "$sent" || err != nil {
		t.Errorf("repeated: %q, %v", id, err)
	}
}

func TestTransactionsAreBounded(t *testing.T) {
	device := &Device{}
	sent := 0
	send := func(n int) {
		_, err := device.Once(t.Context(), Transaction{ID: fmt.Sprint(n)}, func(built func(string)) error {
			sent++
			built(fmt.Sprint("$", n))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for n := range 2 * maxTransactions {
		send(n)
	}
	if known := len(device.txns.results); known != maxTransactions || len(device.txns.events) != known || len(device.txns.order) != known {
		t.Errorf("%d transactions, %d events, %d in order", known, len(device.txns.events), len(device.txns.order))
	}
	send(2*maxTransactions - 1)
	if sent != 2*maxTransactions {
		t.Error("the last transaction was forgotten")
	}
}
