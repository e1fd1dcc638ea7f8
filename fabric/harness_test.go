package fabric

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"meshsim/link"
)

// recorder is a port that keeps what it is given.
type recorder struct {
	clock Clock

	mu   sync.Mutex
	got  []Packet
	when []link.Instant
	on   func(Packet) // called for each packet, may Send
}

func (r *recorder) Deliver(batch []Packet) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range batch {
		r.got = append(r.got, p)
		r.when = append(r.when, r.clock.Now())
		if r.on != nil {
			r.on(p)
		}
	}
}

func (r *recorder) packets() []Packet {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

func (r *recorder) times() []link.Instant {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.when)
}

// lineRouter routes along a line of nodes 0, 1, 2, ...
type lineRouter struct{ nodes NodeID }

func (r lineRouter) NextHop(at, dst NodeID) (NodeID, bool) {
	if dst >= r.nodes {
		return 0, false
	}
	if dst > at {
		return at + 1, true
	}
	return at - 1, true
}

// line is a fabric of nodes in a row, in virtual time, each with a recorder.
type line struct {
	*Fabric
	t     testing.TB
	ports []*recorder
	ends  []*Attachment
}

func v4(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte((n + 1) >> 8), byte(n + 1)}) }

func v6(n int) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xfd, 1: 0x6d, 14: byte((n + 1) >> 8), 15: byte(n + 1)})
}

// inLine runs f in a bubble with a line of n nodes whose links all have parameters p.
func inLine(t *testing.T, n int, p link.Params, test func(*testing.T, *line)) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, TimerClock(), n, p)
		defer l.Fabric.Close()
		test(t, l)
	})
}

func newLine(t testing.TB, clock Clock, n int, p link.Params) *line {
	l := &line{Fabric: New(Config{Seed: 1, Clock: clock}), t: t}
	l.build(clock, n, p)
	return l
}

func (l *line) build(clock Clock, n int, p link.Params) {
	l.t.Helper()
	for i := range n {
		port := &recorder{clock: clock}
		a, err := l.Attach(NodeConfig{ID: NodeID(i), Addrs: []netip.Addr{v4(i), v6(i)}}, port)
		if err != nil {
			l.t.Fatal(err)
		}
		l.ports, l.ends = append(l.ports, port), append(l.ends, a)
	}
	c := Change{Router: lineRouter{NodeID(n)}}
	for i := range n - 1 {
		c.Set = append(c.Set, LinkConfig{LinkID{NodeID(i), NodeID(i + 1)}, p, p})
	}
	l.apply(c)
}

func (l *line) apply(c Change) {
	l.t.Helper()
	if err := l.Fabric.Apply(c); err != nil {
		l.t.Fatal(err)
	}
}

func (l *line) set(a, b NodeID, p link.Params) {
	l.t.Helper()
	l.apply(Change{Set: []LinkConfig{{LinkID{a, b}, p, p}}})
}

func (l *line) send(from int, packets ...[]byte) {
	batch := make([]Packet, len(packets))
	for i, p := range packets {
		batch[i].Data = p
	}
	l.ends[from].Send(batch)
}

// sleep lets virtual time pass and everything settle.
func (l *line) sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (l *line) stats(a, b NodeID) LinkStats {
	l.t.Helper()
	s, ok := l.LinkStats(LinkID{a, b})
	if !ok {
		l.t.Fatalf("no link %d-%d", a, b)
	}
	return s
}

// ipv4 is a packet of size bytes between two nodes of a line, TTL 64, with protocol UDP and id in its
// payload.
func ipv4(from, to, size int, id uint32) []byte {
	b := Alloc(size)
	clear(b)
	b[0], b[8], b[9] = 0x45, 64, 17
	src, dst := v4(from).As4(), v4(to).As4()
	copy(b[12:], src[:])
	copy(b[16:], dst[:])
	if size >= 24 {
		binary.BigEndian.PutUint32(b[20:], id)
	}
	setLength(b, 20)
	return b
}

func ipv6(from, to, size int, id uint32) []byte {
	b := Alloc(size)
	clear(b)
	b[0], b[6], b[7] = 0x60, 17, 64
	src, dst := v6(from).As16(), v6(to).As16()
	copy(b[8:], src[:])
	copy(b[24:], dst[:])
	if size >= 44 {
		binary.BigEndian.PutUint32(b[40:], id)
	}
	setLength(b, 40)
	return b
}

// id returns what ipv4 or ipv6 was given.
func id(p Packet) uint32 {
	at := 20
	if p.Data[0]>>4 == 6 {
		at = 40
	}
	return binary.BigEndian.Uint32(p.Data[at:])
}
