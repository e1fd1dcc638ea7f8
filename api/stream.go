package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"meshsim/mesh"
	"meshsim/talk"
	"meshsim/telemetry"
)

const (
	// diffInterval is the least time between two diffs: a page draws no more often.
	diffInterval = 15 * time.Millisecond
	// counterInterval is the time between two frames of counters (CONTRACTS.md, Telemetry).
	counterInterval = 250 * time.Millisecond
	// writeTimeout is how long a reader may leave one frame waiting before it is dropped.
	writeTimeout = 30 * time.Second
	// pingInterval is how often a reader must show that it is there.
	pingInterval = 20 * time.Second
)

// streams serves /api/v1/stream. Each reader has a goroutine that writes, and is told differences from what
// it was last told, so that a slow one costs no memory besides the telemetry hub's bounded backlog.
type streams struct {
	v1     *v1
	events *telemetry.Hub
	open   sync.WaitGroup
}

// ServeHTTP implements http.Handler. The connection ends with the reader, or with the server's context.
func (s *streams) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.open.Add(1)
	defer s.open.Done()
	conn, ctx, cancel, err := upgrade(w, r)
	if err != nil {
		return // Accept has answered
	}
	err = s.follow(ctx, conn)
	hangUp(conn, r.Context(), cancel, err)
}

// upgrade makes a WebSocket of a request. The context ends when the reader goes; what it sends is ignored. Once the
// context has ended, the connection is cut after closeTimeout. The guard has checked where the request comes from.
func upgrade(w http.ResponseWriter, r *http.Request) (*websocket.Conn, context.Context, context.CancelFunc, error) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return nil, nil, nil, err
	}
	ctx, cancel := context.WithCancel(r.Context())
	// Ending the context of a read cuts the connection: that comes after the time to close it in good order.
	reading, cut := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() { time.AfterFunc(closeTimeout, cut) })
	go func() {
		defer cancel()
		for {
			_, message, err := conn.Reader(reading)
			if err != nil {
				return
			}
			if _, err := io.Copy(io.Discard, message); err != nil {
				return
			}
		}
	}()
	return conn, ctx, cancel, nil
}

// closeTimeout is how long a reader may take to agree to the end.
const closeTimeout = 500 * time.Millisecond

// hangUp ends a WebSocket with the reason. cancel ends the context that upgrade returned.
func hangUp(conn *websocket.Conn, server context.Context, cancel context.CancelFunc, err error) {
	cancel()
	switch {
	case server.Err() != nil, errors.Is(err, errEnding):
		conn.Close(websocket.StatusGoingAway, "meshsim is shutting down")
	case err != nil:
		conn.CloseNow()
	default:
		conn.Close(websocket.StatusNormalClosure, "")
	}
}

// follow writes frames until the context ends or the reader fails.
func (s *streams) follow(ctx context.Context, conn *websocket.Conn) error {
	ctx, cancel := context.WithCancel(ctx)
	var feeds sync.WaitGroup
	defer feeds.Wait()
	defer cancel()

	telemetry := s.events.Subscribe()
	defer telemetry.Close()
	changes := s.v1.mesh.Subscribe()
	session := newSession(s.v1, changes.Snapshot(), func(f Frame) error { return writeFrame(ctx, conn, f) })

	changed := feed(ctx, &feeds, paced(changes.Next))
	batches := feed(ctx, &feeds, telemetry.Next)
	counters := time.NewTicker(counterInterval)
	defer counters.Stop()
	pings := time.NewTicker(pingInterval)
	defer pings.Stop()

	err := session.snapshot()
	for err == nil {
		select {
		case change, ok := <-changed:
			if !ok {
				return ended(ctx)
			}
			err = session.change(change)
		case batch, ok := <-batches:
			if !ok {
				return ended(ctx)
			}
			err = session.batch(batch)
		case <-session.roomsNext:
			err = session.roomsChanged()
		case <-session.portsNext:
			err = session.portsChanged()
		case <-session.transportNext:
			err = session.transportChanged()
		case <-counters.C:
			err = session.countersDue()
		case <-pings.C:
			err = ping(ctx, conn)
		case <-ctx.Done():
			return nil
		}
	}
	return err
}

// errEnding is why a stream ends when the mesh does.
var errEnding = errors.New("meshsim is shutting down")

// ended says why nothing more comes: the reader has gone, or the mesh ends, which it may do before the connection does.
func ended(ctx context.Context) error {
	if ctx.Err() != nil {
		return nil
	}
	return errEnding
}

// feed makes a channel of a function that waits for the next of something. It is closed when the function
// fails. What comes while nobody takes is left to the function's own queue.
func feed[T any](ctx context.Context, running *sync.WaitGroup, next func(context.Context) (T, error)) <-chan T {
	values := make(chan T)
	running.Go(func() {
		defer close(values)
		for {
			value, err := next(ctx)
			if err != nil {
				return
			}
			select {
			case values <- value:
			case <-ctx.Done():
				return
			}
		}
	})
	return values
}

// paced lets changes gather between two calls.
func paced(next func(context.Context) (mesh.Change, error)) func(context.Context) (mesh.Change, error) {
	var last time.Time
	return func(ctx context.Context) (mesh.Change, error) {
		if wait := diffInterval - time.Since(last); wait > 0 && !pause(ctx, wait) {
			return mesh.Change{}, ctx.Err()
		}
		change, err := next(ctx)
		last = time.Now()
		return change, err
	}
}

func writeFrame(ctx context.Context, conn *websocket.Conn, frame Frame) error {
	encoded, err := json.Marshal(frame)
	if err != nil {
		return err
	}
	return writeText(ctx, conn, encoded)
}

func writeText(ctx context.Context, conn *websocket.Conn, text []byte) error {
	return write(ctx, conn, websocket.MessageText, text)
}

// write outlasts ctx, after whose end the connection is cut in time: giving up a write would cut it at once, and the reader
// would not be told why.
func write(ctx context.Context, conn *websocket.Conn, kind websocket.MessageType, data []byte) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	return conn.Write(ctx, kind, data)
}

// ping outlasts ctx, as write does.
func ping(ctx context.Context, conn *websocket.Conn) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pingInterval)
	defer cancel()
	return conn.Ping(ctx)
}

// session is what one reader has been told. It is for one goroutine.
type session struct {
	v1    *v1
	write func(Frame) error
	start time.Time

	told      *mesh.Snapshot
	rooms     map[string]*talk.Room
	roomsNext <-chan struct{} // closed when rooms have changed
	ports     map[int]portStatus
	portsNext <-chan struct{} // closed when ports have changed
	events    eventWriter
	counters  counterReader

	transportNext <-chan struct{} // closed when the transport has changed
}

func newSession(v *v1, told *mesh.Snapshot, write func(Frame) error) *session {
	start := time.Now()
	return &session{
		v1:       v,
		write:    write,
		start:    start,
		told:     told,
		events:   newEventWriter(start, v.mesh.PathNodes),
		counters: newCounterReader(v.fabric, start),
	}
}

// snapshot tells the reader everything.
func (s *session) snapshot() error {
	s.roomsNext = s.v1.talk.Changed()
	rooms := s.v1.talk.Rooms()
	s.rooms = make(map[string]*talk.Room, len(rooms))
	for _, r := range rooms {
		s.rooms[r.ID] = r
	}
	s.ports, s.portsNext = s.v1.view.ports.all()
	s.transportNext = s.v1.transports.Changed()
	return s.write(Frame{Type: "snapshot", Snapshot: &SnapshotFrame{
		Version:   s.told.Version,
		Settings:  settingsOf(s.told.Settings),
		Transport: s.v1.transport(),
		Servers:   s.v1.view.servers(s.told.Servers),
		Links:     links(s.told),
		Rooms:     roomsOf(rooms),
		Kinds:     s.v1.mesh.Kinds(),
	}})
}

func (s *session) change(c mesh.Change) error {
	s.told = c.Snapshot
	diff := DiffFrame{Version: c.Snapshot.Version, Servers: s.v1.view.servers(c.Servers)}
	if c.Settings != nil {
		settings := settingsOf(*c.Settings)
		diff.Settings = &settings
	}
	for _, l := range c.Links {
		diff.Links = append(diff.Links, linkOf(l, c.Snapshot.Pins[l.Pair]))
	}
	for _, p := range c.Removed {
		diff.RemovedLinks = append(diff.RemovedLinks, [2]int{p.A, p.B})
	}
	return s.write(Frame{Type: "diff", Diff: &diff})
}

func (s *session) roomsChanged() error {
	s.roomsNext = s.v1.talk.Changed()
	diff := DiffFrame{Version: s.told.Version}
	for _, r := range s.v1.talk.Rooms() {
		if s.rooms[r.ID] == r {
			continue
		}
		s.rooms[r.ID] = r
		diff.Rooms = append(diff.Rooms, roomOf(r))
	}
	if len(diff.Rooms) == 0 {
		return nil
	}
	return s.write(Frame{Type: "diff", Diff: &diff})
}

func (s *session) portsChanged() error {
	ports, next := s.v1.view.ports.all()
	s.portsNext = next
	diff := DiffFrame{Version: s.told.Version}
	for _, server := range s.told.Servers {
		if ports[server.ID] != s.ports[server.ID] {
			diff.Servers = append(diff.Servers, s.v1.view.server(server))
		}
	}
	s.ports = ports
	if len(diff.Servers) == 0 {
		return nil
	}
	return s.write(Frame{Type: "diff", Diff: &diff})
}

func (s *session) transportChanged() error {
	s.transportNext = s.v1.transports.Changed()
	transport := s.v1.transport()
	return s.write(Frame{Type: "diff", Diff: &DiffFrame{Version: s.told.Version, Transport: &transport}})
}

// batch tells what was sent and received. A reader that lost some is told everything anew first: it may
// have missed more than it can know.
func (s *session) batch(b telemetry.Batch) error {
	if b.Lost > 0 {
		s.events.forget()
		if err := s.snapshot(); err != nil {
			return err
		}
	}
	return s.write(Frame{Type: "events", Events: s.events.frame(b, time.Now())})
}

func (s *session) countersDue() error {
	return s.write(Frame{Type: "counters", Counters: s.counters.frame(s.told.Graph, time.Now())})
}
