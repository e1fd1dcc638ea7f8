package homeserver

import (
	"context"
	"sync"
)

// maxTransactions is how many transactions of one device are remembered: a client repeats a request that it
// has just made, never one that lies thousands back.
const maxTransactions = 1024

// Transaction names a request that a client may repeat: the endpoint with its arguments, and the
// transaction id that the client chose (client-server API, transaction identifiers).
type Transaction struct{ Endpoint, ID string }

// transactions remembers what a device's requests led to. The zero value is empty.
type transactions struct {
	mu      sync.Mutex
	results map[Transaction]*transaction
	events  map[string]string // event id -> transaction id
	order   []Transaction     // of results, oldest first
	number  int64             // of the latest that was recorded
}

// transaction is one request. event is valid once done is closed, or earlier for the lock's holder.
type transaction struct {
	done  chan struct{}
	event string
	err   error
	given Transaction // what had to be forgotten for this one
}

// storedTransaction is a transaction as a store keeps it.
type storedTransaction struct {
	Transaction
	User, Device, Event string
	Number              int64 // ascending
}

const kindTransaction = "transaction"

// Made returns what is to be recorded of a transaction that led to an event, in one with the event; "" where a request
// leads to none.
func (d *Device) Made(txn Transaction, event string) []Change {
	d.txns.mu.Lock()
	defer d.txns.mu.Unlock()
	d.txns.number++
	changes := []Change{Kept(kindTransaction, storedTransaction{txn, d.User, d.ID, event, d.txns.number}, d.User, d.ID, txn.Endpoint, txn.ID)}
	if under := d.txns.results[txn]; under != nil && under.given != (Transaction{}) {
		changes = append(changes, Change{Kind: kindTransaction, Key: storeKey([]string{d.User, d.ID, under.given.Endpoint, under.given.ID})})
	}
	return changes
}

// restore adds a transaction that was made before, after all with smaller numbers.
func (t *transactions) restore(made storedTransaction) {
	under, _ := t.begin(made.Transaction)
	t.built(made.Transaction, under, made.Event)
	t.number = made.Number
	close(under.done)
}

// Once runs send for a transaction that the device has not made yet, and otherwise returns the event id that
// the earlier request led to, waiting for it while it is under way. A request that failed is forgotten, so
// that it can be repeated. send must call built with the event's id before anybody can see the event: the
// device then recognises its event however soon a sync brings it.
func (d *Device) Once(ctx context.Context, txn Transaction, send func(built func(event string)) error) (event string, err error) {
	under, mine := d.txns.begin(txn)
	if !mine {
		return under.wait(ctx)
	}
	under.err = send(func(event string) { d.txns.built(txn, under, event) })
	if under.err != nil {
		d.txns.forget(txn)
	}
	close(under.done)
	return under.event, under.err
}

// TransactionOf returns the transaction id with which this device sent an event, while it is remembered.
func (d *Device) TransactionOf(event string) (id string, ok bool) {
	d.txns.mu.Lock()
	defer d.txns.mu.Unlock()
	id, ok = d.txns.events[event]
	return id, ok
}

func (t *transaction) wait(ctx context.Context) (string, error) {
	select {
	case <-t.done:
		return t.event, t.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// begin returns the transaction and whether the caller has to carry it out.
func (t *transactions) begin(txn Transaction) (under *transaction, mine bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if earlier := t.results[txn]; earlier != nil {
		return earlier, false
	}
	if t.results == nil {
		t.results, t.events = map[Transaction]*transaction{}, map[string]string{}
	}
	under = &transaction{done: make(chan struct{})}
	if len(t.order) >= maxTransactions {
		under.given = t.order[0]
		t.dropLocked(t.order[0])
		t.order = t.order[1:]
	}
	t.results[txn] = under
	t.order = append(t.order, txn)
	return under, true
}

func (t *transactions) built(txn Transaction, under *transaction, event string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	under.event = event
	if t.results[txn] == under && event != "" {
		t.events[event] = txn.ID
	}
}

func (t *transactions) forget(txn Transaction) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dropLocked(txn)
	for i, other := range t.order {
		if other == txn {
			t.order = append(t.order[:i], t.order[i+1:]...)
			return
		}
	}
}

func (t *transactions) dropLocked(txn Transaction) {
	if under := t.results[txn]; under != nil {
		delete(t.events, under.event)
		delete(t.results, txn)
	}
}
