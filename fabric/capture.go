package fabric

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"meshsim/link"
)

// captureLimit is how many bytes of packets wait for a reader before packets are lost to it.
const captureLimit = 4 << 20

// Scene is what a capture looks at: a link or a node.
type Scene struct {
	link LinkID
	node NodeID
	kind sceneKind
}

type sceneKind uint8

const (
	linkScene sceneKind = iota
	nodeScene
)

// OfLink is the scene of every packet that is sent over a link, with the time at which it was. What the link
// drops is in the capture too, with a comment that says why.
func OfLink(id LinkID) Scene { return Scene{link: id, kind: linkScene} }

// OfNode is the scene of every packet that the port of a node sends and is given.
func OfNode(id NodeID) Scene { return Scene{node: id, kind: nodeScene} }

// Capture is a running capture. Its methods are safe for concurrent use.
//
//	running -> Stop, the end of the link or node, a failed write, or Fabric.Close -> done
type Capture struct {
	f    *Fabric
	tap  *tap
	from *[]*tap // the list that the tap is in; guarded by Fabric.mu
	done chan struct{}
	err  error // valid once done is closed
}

// Capture writes what happens in a scene to w, as pcapng with raw IP packets (times in nanoseconds) that
// Wireshark reads while it grows. A link has an interface for each direction, a node one for what it sends
// and one for what it gets. Superpackets are written as the segments that they stand for. Forwarding never
// waits for w: packets that it is too slow for are lost to the capture, and counted in its interface
// statistics.
func (f *Fabric) Capture(w io.Writer, s Scene) (*Capture, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, ErrClosed
	}
	taps, names, err := f.sceneLocked(s)
	if err != nil {
		return nil, err
	}
	c := &Capture{f: f, tap: newTap(), from: taps, done: make(chan struct{})}
	*taps = append(*taps, c.tap)
	f.captures = append(f.captures, c.tap)
	f.running.Go(func() { c.run(w, names) })
	return c, nil
}

func (f *Fabric) sceneLocked(s Scene) (taps *[]*tap, names [2]string, err error) {
	if s.kind == linkScene {
		l := f.links[s.link]
		if l == nil {
			return nil, names, fmt.Errorf("cannot capture link %d-%d: there is no such link", s.link.A, s.link.B)
		}
		a, b := l.dirs[link.AB].from.label(), l.dirs[link.AB].to.label()
		return &l.taps, [2]string{a + " to " + b, b + " to " + a}, nil
	}
	n := f.nodes[s.node]
	if n == nil {
		return nil, names, fmt.Errorf("cannot capture node %d: there is no such node", s.node)
	}
	return &n.taps, [2]string{n.label() + " sends", n.label() + " receives"}, nil
}

// label names a node in captures.
func (n *node) label() string {
	if n.name == "" {
		return fmt.Sprintf("node %d", n.id)
	}
	return n.name
}

// Stop ends the capture and waits until what was buffered is written. A writer that may block for good must
// be unblocked by its owner. It returns the error that ended the capture before, if any. It is idempotent.
func (c *Capture) Stop() error {
	c.detach()
	<-c.done
	return c.err
}

// Done is closed when the capture has ended and everything is written.
func (c *Capture) Done() <-chan struct{} { return c.done }

// Lost is how many packets the capture has lost so far because w was too slow.
func (c *Capture) Lost() uint64 {
	c.tap.mu.Lock()
	defer c.tap.mu.Unlock()
	return c.tap.lost[0] + c.tap.lost[1]
}

func (c *Capture) detach() {
	c.f.mu.Lock()
	*c.from = slices.DeleteFunc(*c.from, func(t *tap) bool { return t == c.tap })
	c.f.captures = slices.DeleteFunc(c.f.captures, func(t *tap) bool { return t == c.tap })
	c.f.mu.Unlock()
	c.tap.end()
}

// run writes until the tap has ended or w fails.
func (c *Capture) run(w io.Writer, names [2]string) {
	defer close(c.done)
	c.err = c.write(w, names)
	c.detach()
	c.tap.discard()
}

func (c *Capture) write(w io.Writer, names [2]string) error {
	out, err := newCaptureWriter(w, names, c.f.epoch)
	if err != nil {
		return err
	}
	for {
		batch, more := c.tap.next()
		for _, r := range batch {
			if err := out.record(r); err != nil {
				return err
			}
			c.tap.written(r)
		}
		if !more {
			return out.finish(c.tap)
		}
		if err := out.ng.Flush(); err != nil {
			return err
		}
	}
}

// captureWriter writes records as pcapng.
type captureWriter struct {
	ng       *pcapgo.NgWriter
	epoch    time.Time
	start    time.Time
	received [2]uint64
}

func newCaptureWriter(w io.Writer, names [2]string, epoch time.Time) (*captureWriter, error) {
	options := pcapgo.NgWriterOptions{SectionInfo: pcapgo.NgSectionInfo{Application: "meshsim"}}
	ng, err := pcapgo.NewNgWriterInterface(w, captureInterface(names[0]), options)
	if err != nil {
		return nil, err
	}
	if _, err := ng.AddInterface(captureInterface(names[1])); err != nil {
		return nil, err
	}
	return &captureWriter{ng: ng, epoch: epoch, start: time.Now()}, ng.Flush()
}

func captureInterface(name string) pcapgo.NgInterface {
	return pcapgo.NgInterface{
		Name: name, LinkType: layers.LinkTypeRaw, TimestampResolution: 9,
		Statistics: pcapgo.NgInterfaceStatistics{
			PacketsReceived: pcapgo.NgNoValue64, PacketsDropped: pcapgo.NgNoValue64,
		},
	}
}

func (w *captureWriter) record(r record) error {
	if r.segment == 0 {
		return w.packet(r, r.data)
	}
	for s := range segments(r.data, int(r.segment)) {
		if err := w.packet(r, s); err != nil {
			return err
		}
		Free(s)
	}
	return nil
}

func (w *captureWriter) packet(r record, data []byte) error {
	info := gopacket.CaptureInfo{
		Timestamp:      w.epoch.Add(time.Duration(r.at)),
		CaptureLength:  len(data),
		Length:         len(data),
		InterfaceIndex: int(r.side),
	}
	w.received[r.side]++
	var options pcapgo.NgPacketOptions
	if r.drop != link.NotDropped {
		options.Comments = []string{"dropped: " + r.drop.String()}
	}
	return w.ng.WritePacketWithOptions(info, data, options)
}

// finish writes how many packets were seen and lost.
func (w *captureWriter) finish(t *tap) error {
	t.mu.Lock()
	lost := t.lost
	t.mu.Unlock()
	for side := range lost {
		err := w.ng.WriteInterfaceStats(side, pcapgo.NgInterfaceStatistics{
			LastUpdate: time.Now(), StartTime: w.start, EndTime: time.Now(),
			PacketsReceived: w.received[side] + lost[side], PacketsDropped: lost[side],
		})
		if err != nil {
			return err
		}
	}
	return w.ng.Flush()
}

// record is one packet of a capture.
type record struct {
	at      link.Instant
	data    []byte // the tap's own copy
	segment uint16 // Packet.SegmentSize
	side    side
	drop    link.DropReason
}

// side says which of the two interfaces of a capture a packet belongs to.
type side uint8

const (
	sentByNode  side = 0
	givenToNode side = 1
)

// tap is the buffer between forwarding and the writer of a capture.
type tap struct {
	mu    sync.Mutex
	queue []record
	bytes int // not written yet
	lost  [2]uint64
	ended bool
	more  chan struct{} // holds a token while there is something to look at
}

func newTap() *tap { return &tap{more: make(chan struct{}, 1)} }

// see copies a packet into the buffer, or counts it as lost.
func (t *tap) see(p *Packet, s side, drop link.DropReason, at link.Instant) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return
	}
	if t.bytes+len(p.Data) > captureLimit {
		t.lost[s]++
		return
	}
	data := Alloc(len(p.Data))
	copy(data, p.Data)
	t.bytes += len(data)
	t.queue = append(t.queue, record{at, data, p.SegmentSize, s, drop})
	t.signal()
}

func (t *tap) signal() {
	select {
	case t.more <- struct{}{}:
	default:
	}
}

func (t *tap) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	t.signal()
}

// next waits for records. It is false with the last ones.
func (t *tap) next() ([]record, bool) {
	<-t.more
	t.mu.Lock()
	defer t.mu.Unlock()
	batch := t.queue
	t.queue = nil
	return batch, !t.ended
}

func (t *tap) written(r record) {
	t.mu.Lock()
	t.bytes -= len(r.data)
	t.mu.Unlock()
	Free(r.data)
}

// discard forgets what is left after a failed write.
func (t *tap) discard() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queue = nil
}

// offered shows the captures of d's link a packet that was sent over it.
func (d *direction) offered(p *flight, now link.Instant, drop link.DropReason) {
	for _, t := range d.wire.taps {
		t.see(&p.Packet, d.side, drop, now)
	}
}

// capturedBatch shows the captures of a node what its port is about to be given.
func (n *node) capturedBatch(batch []Packet, c Clock) {
	if len(n.taps) == 0 {
		return
	}
	now := c.Now()
	for i := range batch {
		n.captured(&batch[i], givenToNode, now)
	}
}

// captured shows the captures of a node packets that its port sends or is given.
func (n *node) captured(p *Packet, s side, now link.Instant) {
	for _, t := range n.taps {
		t.see(p, s, link.NotDropped, now)
	}
}
