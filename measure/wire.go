package measure

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/gopacket/gopacket/pcapgo"

	"meshsim/fabric"
	"meshsim/link"
)

// wire watches one link. A capture tells the order of what passes, which the counters do not know.
type wire struct {
	fabric  *fabric.Fabric
	id      fabric.LinkID
	capture *fabric.Capture
	writer  *io.PipeWriter
	read    chan struct{} // closed when the reader has ended

	mu      sync.Mutex // guards what follows
	flights int        // runs of packets in one direction
	last    int        // direction of the packet before
	at      fabric.LinkStats
}

// watch begins to watch a link. close ends it.
func watch(f *fabric.Fabric, id fabric.LinkID) (*wire, error) {
	reader, writer := io.Pipe()
	capture, err := f.Capture(writer, fabric.OfLink(id))
	if err != nil {
		return nil, err
	}
	w := &wire{fabric: f, id: id, capture: capture, writer: writer, read: make(chan struct{}), last: -1}
	go func() {
		defer close(w.read)
		w.follow(reader)
	}()
	return w, nil
}

// follow counts flights until the capture ends.
func (w *wire) follow(r *io.PipeReader) {
	defer r.Close() // a capture that is not read would wait
	packets, err := pcapgo.NewNgReader(r, pcapgo.DefaultNgReaderOptions)
	if err != nil {
		return
	}
	for {
		_, info, err := packets.ZeroCopyReadPacketData()
		if err != nil {
			return
		}
		w.mu.Lock()
		if info.InterfaceIndex != w.last {
			w.flights++
			w.last = info.InterfaceIndex
		}
		w.mu.Unlock()
	}
}

func (w *wire) stats() fabric.LinkStats {
	s, _ := w.fabric.LinkStats(w.id)
	return s
}

// begin counts from now on.
func (w *wire) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flights, w.last = 0, -1
	w.at = w.stats()
}

func (w *wire) cost() Cost {
	now := w.stats()
	w.mu.Lock()
	defer w.mu.Unlock()
	return Cost{
		Bytes:      total(now.AB.Bytes, now.BA.Bytes, w.at.AB.Bytes, w.at.BA.Bytes),
		Packets:    total(now.AB.Packets, now.BA.Packets, w.at.AB.Packets, w.at.BA.Packets),
		RoundTrips: float64(w.flights) / 2,
	}
}

func total(ab, ba, beforeAB, beforeBA uint64) uint64 { return ab + ba - beforeAB - beforeBA }

// quiet waits until nothing has passed for as long as an answer, a late acknowledgement included, could still take:
// what comes after belongs to the next step.
func (w *wire) quiet(ctx context.Context, p link.Params) error {
	pause := 2*(p.Delay+p.Jitter) + 2*time.Second
	if p.Rate != link.Unlimited {
		const mtu = 1500
		pause += time.Duration(float64(2*mtu*8) / float64(p.Rate) * float64(time.Second))
	}
	before := w.stats()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		now := w.stats()
		if now.AB.Packets == before.AB.Packets && now.BA.Packets == before.BA.Packets && now.AB.InFlight+now.BA.InFlight == 0 {
			return nil
		}
		before = now
	}
}

func (w *wire) close() error {
	err := w.capture.Stop()
	w.writer.Close()
	<-w.read
	if errors.Is(err, io.ErrClosedPipe) {
		return nil
	}
	return err
}
