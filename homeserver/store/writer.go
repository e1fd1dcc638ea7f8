package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"time"

	"meshsim/homeserver"
	"meshsim/matrix/event"
)

// write is the one goroutine that writes. It ends when the database is closing and nothing is left, or what is left
// cannot be written.
func (db *DB) write() {
	defer close(db.written)
	var failed []*batch
	for {
		b, closing := db.take()
		if b == nil && len(failed) == 0 {
			if closing {
				return
			}
			<-db.wake
			continue
		}
		if b != nil {
			failed = append(failed, b)
		}
		err := db.disk.write(failed)
		db.settle(failed, b, err)
		switch {
		case err == nil:
			failed = nil
		case closing:
			return
		default:
			db.pause()
		}
	}
}

// take returns what is to be written, nil for nothing.
func (db *DB) take() (b *batch, closing bool) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if len(db.next.changes) == 0 {
		return nil, db.closing
	}
	b, db.next = db.next, db.newBatch()
	return b, db.closing
}

// settle notes what became of batches and wakes those who wait for the latest, which may be nil.
func (db *DB) settle(batches []*batch, latest *batch, err error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.noteLocked(err)
	if err == nil {
		for _, b := range batches {
			db.waiting -= b.bytes
			b.kept, b.changes = true, nil
		}
	}
	if latest != nil {
		close(latest.done)
	}
}

// noteLocked notes how the latest attempt to write went, and tells the log of what is new.
func (db *DB) noteLocked(err error) {
	switch {
	case err != nil && db.failure == nil:
		db.log.Error("the homeservers' data cannot be written; requests that change something fail", "error", err)
	case err == nil && db.failure != nil:
		db.log.Info("the homeservers' data is written again")
		db.refuses = false
		clear(db.counted)
	}
	db.failure = err
}

// pause waits after a failure until something new is to be written, or a while.
func (db *DB) pause() {
	timer := time.NewTimer(retry)
	defer timer.Stop()
	select {
	case <-db.wake:
	case <-timer.C:
	}
}

// statements are those that are used all the time.
type statements struct {
	findEvent, addEvent, readEvent, addFact, putRecord, dropRecord *sql.Stmt
}

func (s *statements) prepare(conn *sql.Conn) error {
	for text, into := range map[string]**sql.Stmt{
		"SELECT num FROM events WHERE sum = ?":                                          &s.findEvent,
		"INSERT INTO events(sum, version, redacted, json) VALUES (?, ?, ?, ?)":          &s.addEvent,
		"SELECT sum, version, redacted, json FROM events WHERE num = ?":                 &s.readEvent,
		"INSERT INTO facts(server, room, value, events) VALUES (?, ?, ?, ?)":            &s.addFact,
		"REPLACE INTO records(server, kind, key, value, events) VALUES (?, ?, ?, ?, ?)": &s.putRecord,
		"DELETE FROM records WHERE server = ? AND kind = ? AND key = ?":                 &s.dropRecord,
	} {
		var err error
		if *into, err = conn.PrepareContext(context.Background(), text); err != nil {
			return err
		}
	}
	return nil
}

func (s *statements) close() (errs []error) {
	for _, statement := range []*sql.Stmt{s.findEvent, s.addEvent, s.readEvent, s.addFact, s.putRecord, s.dropRecord} {
		if statement != nil {
			errs = append(errs, statement.Close())
		}
	}
	return errs
}

// write writes batches in one transaction.
func (d *disk) write(batches []*batch) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	ctx := context.Background()
	if _, err := d.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return explain(d.file, err)
	}
	err := d.writeAll(batches)
	if err == nil {
		_, err = d.conn.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		_, _ = d.conn.ExecContext(ctx, "ROLLBACK") // SQLite may have done so already
		clear(d.numbers)                           // some are of events that are not there now
	}
	return explain(d.file, err)
}

// place is where a record is.
type place struct {
	server    int64
	kind, key string
}

// writeAll writes facts in their order, and of each record what it was last.
func (d *disk) writeAll(batches []*batch) error {
	records := map[place]homeserver.Change{}
	for _, b := range batches {
		for _, c := range b.changes {
			switch c.Kind {
			case "":
				maps.DeleteFunc(records, func(at place, _ homeserver.Change) bool { return at.server == c.server })
				if err := d.forget(c.server); err != nil {
					return err
				}
			case homeserver.Fact:
				if err := d.addFact(c); err != nil {
					return err
				}
			default:
				records[place{c.server, c.Kind, c.Key}] = c.Change
			}
		}
	}
	for at, c := range records {
		if err := d.putRecord(at, c); err != nil {
			return err
		}
	}
	return nil
}

func (d *disk) addFact(c change) error {
	events, err := d.numbersOf(c.Events)
	if err != nil {
		return err
	}
	_, err = d.statements.addFact.Exec(c.server, c.Key, c.Value, events)
	return err
}

func (d *disk) putRecord(at place, c homeserver.Change) error {
	if c.Value == nil {
		_, err := d.statements.dropRecord.Exec(at.server, at.kind, at.key)
		return err
	}
	events, err := d.numbersOf(c.Events)
	if err != nil {
		return err
	}
	_, err = d.statements.putRecord.Exec(at.server, at.kind, at.key, c.Value, events)
	return err
}

// numbersOf returns the numbers of events, as they are kept, adding events that are not there yet.
func (d *disk) numbersOf(pdus []*event.PDU) ([]byte, error) {
	list := make([]byte, 0, 4*len(pdus))
	for _, pdu := range pdus {
		num, err := d.numberOf(pdu)
		if err != nil {
			return nil, err
		}
		list = binary.AppendUvarint(list, uint64(num))
	}
	return list, nil
}

// maxNumbers bounds how many numbers are remembered; an entry takes 50 bytes.
const maxNumbers = 500_000

func (d *disk) numberOf(pdu *event.PDU) (num int64, err error) {
	stored := homeserver.StoredEvent{Version: pdu.Version().ID, Redacted: pdu.Redacted(), JSON: pdu.JSON()}
	sum := sumOf(stored)
	if num, ok := d.numbers[sum]; ok {
		return num, nil
	}
	err = d.statements.findEvent.QueryRow(sum[:]).Scan(&num)
	if errors.Is(err, sql.ErrNoRows) {
		var result sql.Result
		if result, err = d.statements.addEvent.Exec(sum[:], stored.Version, stored.Redacted, []byte(stored.JSON)); err == nil {
			num, err = result.LastInsertId()
		}
	}
	if err != nil {
		return 0, err
	}
	if len(d.numbers) >= maxNumbers {
		clear(d.numbers)
	}
	d.numbers[sum] = num
	return num, nil
}

// sumOf names an event by all that is kept of it.
func sumOf(e homeserver.StoredEvent) (sum [sha256.Size]byte) {
	h := sha256.New()
	fmt.Fprintf(h, "%s %t ", e.Version, e.Redacted)
	h.Write(e.JSON)
	h.Sum(sum[:0])
	return sum
}

// forget removes a server. Events that nobody else has stay until the database is closed.
func (d *disk) forget(server int64) error {
	for _, table := range []string{"facts WHERE server", "records WHERE server", "servers WHERE num"} {
		if _, err := d.conn.ExecContext(context.Background(), "DELETE FROM "+table+" = ?", server); err != nil {
			return err
		}
	}
	d.forgot = true
	return nil
}
