package fabric

import (
	"fmt"
	"io"
	"slices"

	"meshsim/link"
)

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
