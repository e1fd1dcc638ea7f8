package fabric

import (
	"io"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"meshsim/link"
)

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
