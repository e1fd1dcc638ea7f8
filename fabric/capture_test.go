package fabric

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gopacket/gopacket/pcapgo"

	"meshsim/link"
)

// captured is one packet read back from a capture.
type captured struct {
	data  []byte
	at    time.Duration // since the bubble began
	side  int
	notes []string
}

func readCapture(t *testing.T, r io.Reader, start time.Time) ([]captured, *pcapgo.NgReader) {
	t.Helper()
	ng, err := pcapgo.NewNgReader(r, pcapgo.NgReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var got []captured
	for {
		data, info, options, err := ng.ReadPacketDataWithOptions()
		if errors.Is(err, io.EOF) {
			return got, ng
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, captured{data, info.Timestamp.Sub(start), info.InterfaceIndex, options.Comments})
	}
}

func TestCaptureOfALink(t *testing.T) {
	inLine(t, 2, link.Params{Rate: 80_000, QueueLimit: 1000, Delay: time.Second}, func(t *testing.T, l *line) {
		start := time.Now()
		var file bytes.Buffer
		c, err := l.Capture(&file, OfLink(LinkID{0, 1}))
		if err != nil {
			t.Fatal(err)
		}
		l.send(0, ipv4(0, 1, 1000, 1), ipv4(0, 1, 1000, 2))
		l.sleep(10 * time.Second)
		l.send(1, ipv6(1, 0, 500, 3))
		l.sleep(time.Second)
		if err := c.Stop(); err != nil {
			t.Fatal(err)
		}
		l.send(0, ipv4(0, 1, 1000, 4))
		got, ng := readCapture(t, &file, start)
		if len(got) != 3 {
			t.Fatalf("%d packets captured, want 3", len(got))
		}
		if !bytes.Equal(got[0].data, ipv4(0, 1, 1000, 1)) || got[0].at != 0 || got[0].side != 0 || len(got[0].notes) != 0 {
			t.Errorf("first packet: %+v", got[0])
		}
		if got[1].side != 0 || len(got[1].notes) != 1 || got[1].notes[0] != "dropped: queue_full" {
			t.Errorf("second packet: %+v", got[1])
		}
		if got[2].side != 1 || got[2].at != 10*time.Second || !bytes.Equal(got[2].data, ipv6(1, 0, 500, 3)) {
			t.Errorf("third packet: %+v", got[2])
		}
		for i, want := range []string{"node 0 to node 1", "node 1 to node 0"} {
			if face, err := ng.Interface(i); err != nil || face.Name != want {
				t.Errorf("interface %d is %q (%v), want %q", i, face.Name, err, want)
			}
		}
	})
}

func TestCaptureOfANode(t *testing.T) {
	inLine(t, 3, link.Params{}, func(t *testing.T, l *line) {
		var file bytes.Buffer
		c, err := l.Capture(&file, OfNode(1))
		if err != nil {
			t.Fatal(err)
		}
		l.send(0, ipv4(0, 2, 100, 1)) // passes through and is not the port's
		l.send(0, ipv4(0, 1, 100, 2))
		l.sleep(0)
		l.ends[1].Send([]Packet{{Data: tcp4(1, 2, 2500), SegmentSize: 1000}})
		l.sleep(0)
		if err := c.Stop(); err != nil {
			t.Fatal(err)
		}
		got, _ := readCapture(t, &file, time.Now())
		var sides []int
		for _, p := range got {
			sides = append(sides, p.side)
		}
		if len(got) != 4 || sides[0] != 1 || sides[1] != 0 || len(got[1].data) != 1052 || len(got[3].data) != 552 {
			t.Errorf("%d packets captured, on %v", len(got), sides)
		}
	})
}

// stuck is a writer that blocks until it is released.
type stuck struct {
	release chan struct{}
	bytes.Buffer
}

func (s *stuck) Write(b []byte) (int, error) {
	<-s.release
	return s.Buffer.Write(b)
}

func TestSlowCapturesLosePacketsAndSaySo(t *testing.T) {
	inLine(t, 2, link.Params{}, func(t *testing.T, l *line) {
		file := &stuck{release: make(chan struct{})}
		c, err := l.Capture(file, OfLink(LinkID{0, 1}))
		if err != nil {
			t.Fatal(err)
		}
		const packets = captureLimit/1000 + 100
		for range packets {
			l.send(0, ipv4(0, 1, 1000, 0))
		}
		l.sleep(0)
		if n := len(l.ports[1].packets()); n != packets {
			t.Errorf("%d packets arrived, want all %d", n, packets)
		}
		lost := c.Lost()
		if lost < 90 || lost > 110 {
			t.Errorf("%d packets lost", lost)
		}
		close(file.release)
		if err := c.Stop(); err != nil {
			t.Fatal(err)
		}
		got, ng := readCapture(t, &file.Buffer, time.Now())
		face, err := ng.Interface(0)
		if err != nil || face.Statistics.PacketsDropped != lost || uint64(len(got))+lost != packets {
			t.Errorf("%d packets and %d lost in the file, %d lost (%v)", len(got), face.Statistics.PacketsDropped, lost, err)
		}
	})
}

// broken is a writer that fails.
type broken struct{}

var errBroken = errors.New("broken pipe")

func (broken) Write([]byte) (int, error) { return 0, errBroken }

func TestCapturesEndByThemselves(t *testing.T) {
	cases := map[string]func(*line){
		"link-removed":  func(l *line) { l.apply(Change{Remove: []LinkID{{0, 1}}}) },
		"fabric-closed": func(l *line) { l.Close() },
	}
	for name, end := range cases {
		t.Run(name, func(t *testing.T) {
			inLine(t, 2, link.Params{}, func(t *testing.T, l *line) {
				var file bytes.Buffer
				c, err := l.Capture(&file, OfLink(LinkID{0, 1}))
				if err != nil {
					t.Fatal(err)
				}
				end(l)
				synctest.Wait()
				select {
				case <-c.Done():
				default:
					t.Error("the capture is still running")
				}
				if err := c.Stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestCapturesReportAFailedWrite(t *testing.T) {
	inLine(t, 2, link.Params{}, func(t *testing.T, l *line) {
		c, err := l.Capture(broken{}, OfLink(LinkID{0, 1}))
		if err != nil {
			t.Fatal(err)
		}
		<-c.Done()
		if err := c.Stop(); !errors.Is(err, errBroken) {
			t.Errorf("got %v", err)
		}
		l.send(0, ipv4(0, 1, 100, 0))
		l.sleep(0)
		if n := len(l.ports[1].packets()); n != 1 {
			t.Errorf("%d packets arrived, want 1", n)
		}
	})
}

func TestCaptureOfNothing(t *testing.T) {
	inLine(t, 2, link.Params{}, func(t *testing.T, l *line) {
		for _, s := range []Scene{OfNode(9), OfLink(LinkID{0, 9})} {
			if _, err := l.Capture(io.Discard, s); err == nil {
				t.Errorf("%+v was captured", s)
			}
		}
	})
}
