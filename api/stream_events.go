package api

import (
	"encoding/binary"
	"time"

	"meshsim/telemetry"
)

const (
	// maxKnownPaths and maxKnownEvents bound what is remembered of each reader. Beyond that it is forgotten,
	// and described again when it is used again.
	maxKnownPaths  = 1 << 16
	maxKnownEvents = 1 << 14
)

// eventWriter turns batches of telemetry into frames for one reader. Paths and events are described the
// first time that they are used; paths get ids that are never used twice.
type eventWriter struct {
	start time.Time
	nodes func(routes uint64, from, to int) ([]int, bool)

	paths    map[string]int // by nodes
	nextPath int
	key      []byte // scratch
	events   map[string]struct{}
}

func newEventWriter(start time.Time, nodes func(uint64, int, int) ([]int, bool)) eventWriter {
	w := eventWriter{start: start, nodes: nodes}
	w.forget()
	return w
}

// forget makes the writer describe everything again.
func (w *eventWriter) forget() {
	w.paths = make(map[string]int)
	w.events = make(map[string]struct{})
}

func (w *eventWriter) frame(b telemetry.Batch, now time.Time) *EventsFrame {
	if len(w.paths) > maxKnownPaths || len(w.events) > maxKnownEvents {
		w.forget()
	}
	f := &EventsFrame{AtMS: w.ms(now), Lost: b.Lost}
	for _, g := range b.Sent {
		f.Sent = append(f.Sent, w.sent(f, g))
	}
	for _, g := range b.Received {
		f.Received = append(f.Received, w.received(f, g))
	}
	for _, failed := range b.Failed {
		f.Failed = append(f.Failed, w.failed(f, failed))
	}
	for _, g := range b.Carried {
		f.Carried = append(f.Carried, w.carried(f, g))
	}
	return f
}

func (w *eventWriter) ms(t time.Time) float64 { return milliseconds(t.Sub(w.start)) }

func (w *eventWriter) sent(f *EventsFrame, g telemetry.SentGroup) SentGroup {
	n := len(g.To)
	group := SentGroup{
		Event:     w.event(f, g.Event),
		From:      g.From,
		To:        make([]int, n),
		Path:      make([]int, n),
		AtMS:      make([]float64, n),
		Transport: string(g.Transport),
	}
	for i, to := range g.To {
		group.To[i] = to.To
		group.Path[i] = w.path(f, to.Routes, g.From, to.To)
		group.AtMS[i] = w.ms(to.At)
		if to.Attempt > 1 && group.Attempt == nil {
			group.Attempt = attempts(g.To)
		}
	}
	return group
}

func attempts(to []telemetry.SentTo) []int {
	list := make([]int, len(to))
	for i, t := range to {
		list[i] = t.Attempt
	}
	return list
}

func (w *eventWriter) received(f *EventsFrame, g telemetry.ReceivedGroup) ReceivedGroup {
	n := len(g.By)
	group := ReceivedGroup{
		Event:   w.event(f, g.Event),
		From:    make([]int, n),
		To:      make([]int, n),
		AtMS:    make([]float64, n),
		Basis:   make([]string, n),
		Outcome: make([]string, n),
	}
	for i, by := range g.By {
		group.From[i] = by.From
		group.To[i] = by.To
		group.AtMS[i] = w.ms(by.At)
		group.Basis[i] = string(by.Basis)
		group.Outcome[i] = string(by.Outcome)
	}
	return group
}

func (w *eventWriter) carried(f *EventsFrame, g telemetry.CarriedGroup) CarriedGroup {
	n := len(g.To)
	group := CarriedGroup{
		Event: w.event(f, g.Event), From: g.From, Transport: string(g.Transport),
		To: make([]int, n), BytesThere: make([]int64, n), BytesBack: make([]int64, n), Headers: true,
	}
	for i, to := range g.To {
		group.To[i], group.BytesThere[i], group.BytesBack[i] = to.To, to.Wire.There, to.Wire.Back
		group.Headers = group.Headers && to.Wire.Headers
		if to.Attempt > 1 && group.Attempt == nil {
			group.Attempt = make([]int, n)
			for j, other := range g.To {
				group.Attempt[j] = other.Attempt
			}
		}
	}
	return group
}

func (w *eventWriter) failed(f *EventsFrame, t telemetry.Failed) FailedTxn {
	txn := FailedTxn{
		Events:  make([]string, len(t.Events)),
		From:    t.From,
		To:      t.To,
		Path:    w.path(f, t.Routes, t.From, t.To),
		AtMS:    w.ms(t.At),
		Attempt: t.Attempt,
		Reason:  t.Reason,
	}
	for i, e := range t.Events {
		txn.Events[i] = w.event(f, e)
	}
	return txn
}

// event describes an event that is new to the reader, and returns its id.
func (w *eventWriter) event(f *EventsFrame, e *telemetry.Event) string {
	if _, known := w.events[e.ID]; known {
		return e.ID
	}
	w.events[e.ID] = struct{}{}
	f.Events = append(f.Events, EventInfo{
		ID:       e.ID,
		Type:     e.Type,
		Room:     e.RoomID,
		Sender:   e.Sender,
		StateKey: e.StateKey,
		Bytes:    e.Bytes,
	})
	return e.ID
}

// path spells out a path that is new to the reader, and returns its id, -1 where there is no path.
func (w *eventWriter) path(f *EventsFrame, routes uint64, from, to int) int {
	nodes, ok := w.nodes(routes, from, to)
	if !ok {
		return -1
	}
	w.key = w.key[:0]
	for _, n := range nodes {
		w.key = binary.AppendUvarint(w.key, uint64(n))
	}
	if id, known := w.paths[string(w.key)]; known {
		return id
	}
	id := w.nextPath
	w.nextPath++
	w.paths[string(w.key)] = id
	f.Paths = append(f.Paths, Path{ID: id, Nodes: nodes})
	return id
}
