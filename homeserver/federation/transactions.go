package federation

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"meshsim/homeserver"
)

const maxEDUs = 100 // in one transaction

// incoming is the body of send.
type incoming struct {
	PDUs []json.RawMessage `json:"pdus"`
	EDUs []json.RawMessage `json:"edus"`
}

func (t incoming) check() error {
	if len(t.PDUs) > maxPDUs || len(t.EDUs) > maxEDUs {
		return &homeserver.Error{Kind: homeserver.BadRequest, Message: fmt.Sprintf(
			"the transaction has %d PDUs and %d EDUs: at most %d and %d are allowed", len(t.PDUs), len(t.EDUs), maxPDUs, maxEDUs)}
	}
	return nil
}

// transactions makes repeated transactions harmless: a server has one in flight at a time, so its last one is
// all that it can repeat.
type transactions struct {
	mu   sync.Mutex
	last map[string]*received // by origin
	keep func(storedReceived) // records one that was processed
}

// storedReceived is a transaction that was processed, as a store keeps it.
type storedReceived struct {
	Origin, ID string
	Answer     json.RawMessage
}

// restore remembers the transactions that a store has.
func (t *transactions) restore(store homeserver.Store) error {
	return store.Load(nil, func(c homeserver.Change) error {
		var kept storedReceived
		if err := json.Unmarshal(c.Value, &kept); err != nil {
			return fmt.Errorf("the transaction that is kept of %q cannot be read: %w", c.Key, err)
		}
		known := &received{id: kept.ID, done: make(chan struct{}), answer: kept.Answer}
		close(known.done)
		t.last[kept.Origin] = known
		return nil
	}, kindReceived)
}

// received is a transaction that is being or has been processed.
type received struct {
	id     string
	done   chan struct{}
	answer json.RawMessage // encoded, because one is kept for every origin; valid when done is closed
}

type transactionAnswer struct {
	PDUs map[string]pduResult `json:"pdus"`
}

type pduResult struct {
	Error string `json:"error,omitempty"`
}

// once runs process for a transaction, or waits for the run that another request with the same transaction
// has begun. Transactions of one origin run one after the other. ctx ends the wait, not the run.
func (t *transactions) once(ctx context.Context, origin, id string, process func() transactionAnswer) (json.RawMessage, error) {
	for {
		t.mu.Lock()
		last := t.last[origin]
		if last == nil || last.finished() && last.id != id {
			mine := &received{id: id, done: make(chan struct{})}
			t.last[origin] = mine
			t.mu.Unlock()
			mine.run(process)
			t.keep(storedReceived{origin, id, mine.answer})
			return mine.answer, nil
		}
		t.mu.Unlock()
		select {
		case <-last.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if last.id == id {
			return last.answer, nil
		}
	}
}

func (r *received) finished() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// run closes done also when process panics: no other transaction may wait for ever.
func (r *received) run(process func() transactionAnswer) {
	defer close(r.done)
	r.answer = json.RawMessage(`{"pdus":{}}`)
	if raw, err := json.Marshal(process()); err == nil {
		r.answer = raw
	}
}
