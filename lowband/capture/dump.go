package capture

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"unicode/utf8"

	"meshsim/lowband"
	"meshsim/lowband/coap"
)

// ipUDP is what IPv4 and UDP put in front of a datagram; IPv6 takes 20 bytes more.
const (
	ipUDP   = 28
	ipv6UDP = 48
)

// maxText is how many characters of a stage are shown.
const maxText = 160

// Dump prints what each message becomes at each step, one line a step, with its size. It is safe for concurrent use.
type Dump struct {
	mu  sync.Mutex // guards out
	out io.Writer
}

// NewDump makes a Dump. The first line explains the columns.
func NewDump(out io.Writer) *Dump {
	d := &Dump{out: out}
	fmt.Fprintf(out, "%-2s %-16s %7s  %s\n", "", "step", "bytes", "what it says (-> sent, <- received)")
	return d
}

func (d *Dump) line(sent bool, stage string, size int, text string) {
	arrow := "<-"
	if sent {
		arrow = "->"
	}
	text = strings.ToValidUTF8(strings.NewReplacer("\n", " ", "\r", " ", "\x1b", " ").Replace(text), "?")
	if utf8.RuneCountInString(text) > maxText {
		text = string([]rune(text)[:maxText]) + " ..."
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	fmt.Fprintf(d.out, "%s %-16s %7d  %s\n", arrow, stage, size, text)
}

// Tap is what the ends of a link are given.
func (d *Dump) Tap() lowband.Tap {
	return lowband.Tap{
		Step:     func(s lowband.Step) { d.line(s.Sent, s.Stage, s.Size, s.Text) },
		Datagram: func(sent bool, _ net.Addr, b []byte) { d.line(sent, "CoAP", len(b), coap.Describe(b)) },
	}
}

// Conn returns a conn whose datagrams are printed as they are on the wire.
func (d *Dump) Conn(c net.PacketConn) net.PacketConn {
	return &watched{PacketConn: c, note: func(sent bool, peer net.Addr, b []byte) {
		headers := ipUDP
		if a := address(peer).Addr(); a.Is6() {
			headers = ipv6UDP
		}
		d.line(sent, "on the wire", len(b)+headers, fmt.Sprintf("encrypted %d, UDP and IP %d", len(b), headers))
	}}
}

// Both tells two taps.
func Both(a, b lowband.Tap) lowband.Tap {
	both := lowband.Tap{Step: a.Step, Datagram: a.Datagram}
	if both.Step == nil {
		both.Step = b.Step
	}
	switch {
	case a.Datagram == nil:
		both.Datagram = b.Datagram
	case b.Datagram != nil:
		both.Datagram = func(sent bool, peer net.Addr, datagram []byte) {
			a.Datagram(sent, peer, datagram)
			b.Datagram(sent, peer, datagram)
		}
	}
	return both
}
