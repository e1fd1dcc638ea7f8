package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"meshsim/telemetry"
)

// reader follows the stream.
type reader struct {
	t    testing.TB
	conn *websocket.Conn
}

func (h *harness) stream() *reader {
	h.t.Helper()
	conn, _, err := websocket.Dial(h.t.Context(), "ws://"+h.addr+"/api/v1/stream", nil)
	if err != nil {
		h.t.Fatal(err)
	}
	conn.SetReadLimit(-1)
	h.t.Cleanup(func() { conn.CloseNow() })
	return &reader{h.t, conn}
}

// next returns the next frame for which wanted is true.
func (r *reader) next(wanted func(Frame) bool) Frame {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	for {
		_, text, err := r.conn.Read(ctx)
		if err != nil {
			r.t.Fatal(err)
		}
		var frame Frame
		if err := json.Unmarshal(text, &frame); err != nil {
			r.t.Fatal(err)
		}
		if wanted(frame) {
			return frame
		}
	}
}

func anything(Frame) bool { return true }

func TestStreamTellsEverythingThenWhatChanges(t *testing.T) {
	h := newHarness(t)
	h.servers(2)
	r := h.stream()
	first := r.next(anything)
	if first.Type != "snapshot" || len(first.Snapshot.Servers) != 2 || len(first.Snapshot.Links) != 1 {
		t.Fatalf("the first frame is %s", mustJSON(t, first))
	}
	if diff := cmp.Diff([]string{"fake", "failing", "able"}, first.Snapshot.Kinds); diff != "" {
		t.Error(diff)
	}

	h.must("PATCH", "/api/v1/servers/1", `{"x":70}`, nil)
	moved := r.next(func(f Frame) bool {
		return f.Diff != nil && len(f.Diff.Links) == 1 && f.Diff.Links[0].AB.LatencyMS == 70
	}).Diff
	if moved.Version <= first.Snapshot.Version || len(moved.Servers) != 1 || moved.Servers[0].X != 70 {
		t.Errorf("the move is told as %s", mustJSON(t, moved))
	}
	h.must("PATCH", "/api/v1/servers/1", `{"x":5000}`, nil)
	r.next(func(f Frame) bool { return f.Diff != nil && cmp.Equal(f.Diff.RemovedLinks, [][2]int{{0, 1}}) })
	h.must("PUT", "/api/v1/settings", mustJSON(t, changed(settingsOf(h.mesh.Snapshot().Settings))), nil)
	r.next(func(f Frame) bool { return f.Diff != nil && f.Diff.Settings != nil && f.Diff.Settings.JitterPct == 9 })
	h.must("DELETE", "/api/v1/servers/0", "", nil)
	r.next(func(f Frame) bool {
		return f.Diff != nil && len(f.Diff.Servers) == 1 && f.Diff.Servers[0].State == "gone"
	})
	h.must("POST", "/api/v1/rooms", `{"creator":1}`, nil)
	room := r.next(func(f Frame) bool { return f.Diff != nil && len(f.Diff.Rooms) == 1 }).Diff.Rooms[0]
	if room.Creator != 1 || room.Members[0].State != "joined" {
		t.Errorf("the room is told as %+v", room)
	}
	r.next(func(f Frame) bool { return f.Type == "counters" && f.Counters.AtMS > 0 })
}

func changed(s Settings) Settings {
	s.JitterPct = 9
	return s
}

func TestStreamTelemetry(t *testing.T) {
	h := newHarness(t)
	h.servers(3)
	r := h.stream()
	r.next(anything)
	event := &telemetry.Event{ID: "$a", Type: "m.room.message", RoomID: "!r", Sender: "@matthew:hs0", Bytes: 450}
	routes := h.mesh.Snapshot().Routes
	publish := func() {
		now := time.Now()
		for to := 1; to <= 2; to++ {
			h.hub.Publish(telemetry.Sent{At: now, Event: event, From: 0, To: to, Routes: routes, Attempt: to, Transport: telemetry.HTTPS})
		}
		h.hub.Publish(telemetry.Received{At: now, Event: event, From: 0, To: 1, Basis: telemetry.Processed, Outcome: telemetry.OutcomeAccepted})
		for to := 1; to <= 2; to++ {
			h.hub.Publish(telemetry.Carried{
				At: now, Event: event, From: 0, To: to, Attempt: to, Transport: telemetry.HTTPS,
				Wire: telemetry.Wire{There: int64(100 * to), Back: 50, Headers: to == 1},
			})
		}
		h.hub.Publish(telemetry.Failed{At: now, Events: []*telemetry.Event{event}, From: 0, To: 7, Routes: routes, Attempt: 1, Reason: "no route"})
	}
	publish()
	got := r.next(func(f Frame) bool { return f.Type == "events" }).Events
	if diff := cmp.Diff([]EventInfo{{ID: "$a", Type: "m.room.message", Room: "!r", Sender: "@matthew:hs0", Bytes: 450}}, got.Events); diff != "" {
		t.Error(diff)
	}
	paths := make(map[int][]int)
	for _, p := range got.Paths {
		paths[p.ID] = p.Nodes
	}
	sent := got.Sent[0]
	if !cmp.Equal(sent.To, []int{1, 2}) || !cmp.Equal(sent.Attempt, []int{1, 2}) ||
		!cmp.Equal(paths[sent.Path[0]], []int{0, 1}) || !cmp.Equal(paths[sent.Path[1]], []int{0, 2}) {
		t.Errorf("sent is %+v with paths %v", sent, paths)
	}
	if received := got.Received[0]; received.Event != "$a" || received.To[0] != 1 || received.Basis[0] != "processed" {
		t.Errorf("received is %+v", received)
	}
	carried := []CarriedGroup{{
		Event: "$a", From: 0, Transport: "https", To: []int{1, 2}, BytesThere: []int64{100, 200}, BytesBack: []int64{50, 50}, Attempt: []int{1, 2},
	}}
	if diff := cmp.Diff(carried, got.Carried); diff != "" {
		t.Error(diff)
	}
	if failed := got.Failed[0]; failed.Path != -1 || failed.Reason != "no route" {
		t.Errorf("failed is %+v", failed)
	}

	publish()
	again := r.next(func(f Frame) bool { return f.Type == "events" }).Events
	if len(again.Events) != 0 || len(again.Paths) != 0 || !cmp.Equal(again.Sent[0].Path, sent.Path) {
		t.Errorf("described again: %s", mustJSON(t, again))
	}
	if again.AtMS < got.AtMS || again.Sent[0].AtMS[0] < 0 || again.Sent[0].AtMS[0] > again.AtMS {
		t.Errorf("times are %v after %v, sent at %v", again.AtMS, got.AtMS, again.Sent[0].AtMS)
	}
}

// TestReaderThatLostSomethingIsResynchronised plays a batch after a loss to a session.
func TestReaderThatLostSomethingIsResynchronised(t *testing.T) {
	h := newHarness(t)
	h.servers(2)
	var frames []Frame
	s := newSession(h.front.streams.v1, h.mesh.Snapshot(), func(f Frame) error {
		frames = append(frames, f)
		return nil
	})
	event := &telemetry.Event{ID: "$a"}
	batch := telemetry.Batch{Sent: []telemetry.SentGroup{{Event: event, From: 0, To: []telemetry.SentTo{{At: time.Now(), To: 1, Routes: h.mesh.Snapshot().Routes, Attempt: 1}}}}}
	lossy := batch
	lossy.Lost = 42
	for _, err := range []error{s.snapshot(), s.batch(batch), s.batch(batch), s.batch(lossy)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var kinds []string
	for _, f := range frames {
		kinds = append(kinds, f.Type)
	}
	if diff := cmp.Diff([]string{"snapshot", "events", "events", "snapshot", "events"}, kinds); diff != "" {
		t.Fatal(diff)
	}
	last := frames[4].Events
	if last.Lost != 42 || len(last.Events) != 1 || len(last.Paths) != 1 {
		t.Errorf("after a loss: %s", mustJSON(t, last))
	}
	if again, before := last.Paths[0].ID, frames[1].Events.Paths[0].ID; again == before {
		t.Errorf("path id %d was used twice", again)
	}
}

func TestEventWriterForgetsInTime(t *testing.T) {
	w := newEventWriter(time.Now(), func(_ uint64, from, to int) ([]int, bool) { return []int{from, to}, true })
	for i := range 3 * maxKnownEvents {
		batch := telemetry.Batch{Sent: []telemetry.SentGroup{{
			Event: &telemetry.Event{ID: fmt.Sprint(i)},
			To:    []telemetry.SentTo{{To: i}},
		}}}
		w.frame(batch, time.Now())
		if len(w.events) > maxKnownEvents+1 || len(w.paths) > maxKnownPaths+1 {
			t.Fatalf("remembers %d events and %d paths", len(w.events), len(w.paths))
		}
	}
	if w.nextPath != 3*maxKnownEvents {
		t.Errorf("gave %d path ids, want %d", w.nextPath, 3*maxKnownEvents)
	}
}

// TestStreamDoesNotWaitForASlowReader has a reader that never reads while much happens, and another that must
// see all of it.
func TestStreamDoesNotWaitForASlowReader(t *testing.T) {
	h := newHarness(t)
	h.servers(2)
	h.stream() // never reads
	r := h.stream()
	r.next(anything)
	const events = 20_000
	seen := make(chan int)
	go func() {
		defer close(seen)
		count := 0
		for count < events {
			f := r.next(func(f Frame) bool { return f.Type == "events" })
			count += len(f.Events.Received) + int(f.Events.Lost)
		}
		seen <- count
	}()
	for i := range events {
		h.hub.Publish(telemetry.Received{At: time.Now(), Event: &telemetry.Event{ID: fmt.Sprint("$", i)}, From: 0, To: 1})
	}
	if count := within(t, seen); count != events {
		t.Errorf("saw %d of %d", count, events)
	}
}

func BenchmarkEventFrame(b *testing.B) {
	batch := telemetry.Batch{}
	group := telemetry.SentGroup{Event: &telemetry.Event{ID: "$a", Type: "m.room.message"}, Transport: telemetry.HTTPS}
	for to := range 1000 {
		group.To = append(group.To, telemetry.SentTo{At: time.Now(), To: to, Attempt: 1})
	}
	batch.Sent = append(batch.Sent, group)
	w := newEventWriter(time.Now(), func(_ uint64, from, to int) ([]int, bool) { return []int{from, 500, to}, true })
	b.ReportAllocs()
	for b.Loop() {
		frame := w.frame(batch, time.Now())
		if _, err := json.Marshal(Frame{Type: "events", Events: frame}); err != nil {
			b.Fatal(err)
		}
	}
}

func TestReadersAreToldOfTheEnd(t *testing.T) {
	h := newHarness(t)
	h.stream() // does not listen
	notifications, _, err := websocket.Dial(t.Context(), "ws://"+h.addr+"/event_notifs", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer notifications.CloseNow()
	r := h.stream()
	r.next(anything)
	h.stop()
	for _, conn := range []*websocket.Conn{r.conn, notifications} {
		for err = nil; err == nil; {
			_, _, err = conn.Read(t.Context())
		}
		if websocket.CloseStatus(err) != websocket.StatusGoingAway {
			t.Errorf("ended with %v", err)
		}
	}
}

// What is being written when the end comes is written, and the reader is told of the end after it.
func TestLastWordsAreHeard(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, ctx, cancel, err := upgrade(w, r)
		if err != nil {
			t.Error(err)
			return
		}
		cancel()
		if err := writeText(ctx, conn, []byte("the last words")); err != nil {
			t.Error(err)
		}
		hangUp(conn, r.Context(), cancel, errEnding)
	}))
	defer server.Close()
	conn, _, err := websocket.Dial(t.Context(), "ws://"+server.Listener.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if _, text, err := conn.Read(t.Context()); string(text) != "the last words" {
		t.Errorf("read %q, %v", text, err)
	}
	if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("ended with %v", err)
	}
}

// A reader that was put to sleep does not answer the end. Ctrl-C must not wait for it.
func TestReadersThatDoNotAnswerAreCutOff(t *testing.T) {
	h := newHarness(t)
	for _, path := range []string{"/event_notifs", prefix + "/stream"} {
		conn, err := net.Dial("tcp", h.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", path)
		if err != nil {
			t.Fatal(err)
		}
		if status, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(status, "101") {
			t.Fatalf("%s answered %q, %v", path, status, err)
		}
	}
	h.stop()
	ended := make(chan struct{})
	go func() {
		h.front.streams.open.Wait()
		h.front.original.open.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(4 * time.Second): // the library itself would wait for five
		t.Error("the end waits for readers that do not answer")
	}
}

// BenchmarkNotification takes the time from what happens until the page knows of it, over a real socket. It
// has to be below telemetry.MaxDelay.
func BenchmarkNotification(b *testing.B) {
	h := newHarness(b)
	h.servers(2)
	r := h.stream()
	r.next(anything)
	event := &telemetry.Event{ID: "$a"}
	for b.Loop() {
		h.hub.Publish(telemetry.Received{At: time.Now(), Event: event, From: 0, To: 1})
		r.next(func(f Frame) bool { return f.Type == "events" })
	}
}
