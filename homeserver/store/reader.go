package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"meshsim/homeserver"
)

// page is how many rows are read at a time, so that the writer does not wait for long.
const page = 200

// Load implements homeserver.Store. Changes that were recorded and are not durable yet may be missing.
func (s *Server) Load(recall homeserver.Recall, apply func(homeserver.Change) error, kinds ...string) error {
	for _, kind := range kinds {
		load := s.loadRecords
		if kind == homeserver.Fact {
			load = s.loadFacts
		}
		if err := load(kind, recall, apply); err != nil {
			return err
		}
	}
	return nil
}

// row is a fact or a record as it was read.
type row struct {
	num    int64 // of a fact
	key    string
	value  []byte
	events []byte
}

func (s *Server) loadFacts(kind string, recall homeserver.Recall, apply func(homeserver.Change) error) error {
	after := int64(-1)
	return s.pages(func() (string, []any) {
		return "SELECT num, room, value, events FROM facts WHERE server = ? AND num > ? ORDER BY num LIMIT ?", []any{s.num, after, page}
	}, func(r row) error {
		after = r.num
		return s.apply(kind, r, recall, apply)
	})
}

func (s *Server) loadRecords(kind string, recall homeserver.Recall, apply func(homeserver.Change) error) error {
	after, relation := "", ">="
	return s.pages(func() (string, []any) {
		return "SELECT 0, key, value, events FROM records WHERE server = ? AND kind = ? AND key " + relation + " ? ORDER BY key LIMIT ?",
			[]any{s.num, kind, after, page}
	}, func(r row) error {
		after, relation = r.key, ">"
		return s.apply(kind, r, recall, apply)
	})
}

// pages reads page after page until one is not full.
func (s *Server) pages(query func() (text string, args []any), each func(row) error) error {
	for {
		text, args := query()
		rows, err := s.db.disk.read(text, args)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if err := each(r); err != nil {
				return err
			}
		}
		if len(rows) < page {
			return nil
		}
	}
}

func (d *disk) read(query string, args []any) ([]row, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	rows, err := d.conn.QueryContext(context.Background(), query, args...)
	if err != nil {
		return nil, explain(d.file, err)
	}
	defer rows.Close()
	var all []row
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.num, &r.key, &r.value, &r.events); err != nil {
			return nil, explain(d.file, err)
		}
		all = append(all, r)
	}
	return all, explain(d.file, rows.Err())
}

func (s *Server) apply(kind string, r row, recall homeserver.Recall, apply func(homeserver.Change) error) error {
	c := homeserver.Change{Kind: kind, Key: r.key, Value: r.value}
	numbers, err := numbersIn(r.events)
	if err != nil {
		return fmt.Errorf("%s is damaged (%s %q of %s): put a copy back, or move it away to begin anew", s.db.file, kind, r.key, s.name)
	}
	for _, num := range numbers {
		pdu, err := recall(num, func() (homeserver.StoredEvent, error) { return s.db.disk.event(num) })
		if err != nil {
			return err
		}
		c.Events = append(c.Events, pdu)
	}
	return apply(c)
}

var errNumbers = errors.New("a list of numbers is damaged")

func numbersIn(list []byte) (numbers []int64, err error) {
	for len(list) > 0 {
		num, size := binary.Uvarint(list)
		if size <= 0 {
			return nil, errNumbers
		}
		numbers = append(numbers, int64(num))
		list = list[size:]
	}
	return numbers, nil
}

// event reads an event and checks that it is what was written.
func (d *disk) event(num int64) (e homeserver.StoredEvent, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var sum, json []byte
	if err := d.statements.readEvent.QueryRow(num).Scan(&sum, &e.Version, &e.Redacted, &json); err != nil {
		return e, fmt.Errorf("%s is damaged: event %d cannot be read (%w): put a copy back, or move it away to begin anew", d.file, num, err)
	}
	e.JSON = json
	if want := sumOf(e); !bytes.Equal(sum, want[:]) {
		return e, fmt.Errorf("%s is damaged: event %d is not what was written: put a copy back, or move it away to begin anew", d.file, num)
	}
	return e, nil
}
