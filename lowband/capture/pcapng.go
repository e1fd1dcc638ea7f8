// Package capture shows what passes a low-bandwidth link: as files for Wireshark ([File]) and as lines for people ([Dump]).
//
// A File of CoAP messages, tapped before they are encrypted, needs nothing to be read. A File of DTLS datagrams has the
// sessions' keys in it (Decryption Secrets Blocks of pcapng), so that Wireshark decrypts it; whoever has the file reads
// everything. Datagrams get headers of IP and UDP again, without the fragmentation that the real ones may have had.
package capture

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// Ports under which Wireshark knows CoAP; the server's end has them in a File whatever its port is.
const (
	PortCoAP = 5683
	PortDTLS = 5684
)

// File writes datagrams into a pcapng file. It is safe for concurrent use.
type File struct {
	port  uint16
	serve bool

	mu  sync.Mutex // guards what follows
	out io.Writer
	ng  *pcapgo.NgWriter
	// waiting are datagrams behind one of a handshake that has come in: the keys that follow from it must stand before it,
	// because Wireshark begins to decrypt there.
	waiting []packet
	err     error // the first one
}

type packet struct {
	at    time.Time
	data  []byte
	sent  bool
	peer  string
	shake bool // a part of a DTLS handshake
}

// maxWaiting bounds what waits for keys that may never come.
const maxWaiting = 64

// NewFile begins a file on w. port is the server's, and serve tells whether this end is the server.
func NewFile(w io.Writer, port uint16, serve bool) (*File, error) {
	intf := pcapgo.DefaultNgInterface
	intf.Name, intf.LinkType = "lowband", layers.LinkTypeRaw
	ng, err := pcapgo.NewNgWriterInterface(w, intf, pcapgo.NgWriterOptions{SectionInfo: pcapgo.NgSectionInfo{Application: "meshsim"}})
	if err != nil {
		return nil, fmt.Errorf("capture: begin a file: %w", err)
	}
	return &File{port: port, serve: serve, out: w, ng: ng}, nil
}

// Flush writes what waits. It returns the first error of writing; what comes after that is not in the file.
func (f *File) Flush() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.releaseLocked(len(f.waiting))
	return f.err
}

// recordHandshake begins a datagram with a part of a DTLS handshake (RFC 6347, section 4.1).
const recordHandshake = 22

// Datagram adds a datagram between this end and a peer.
func (f *File) Datagram(at time.Time, sent bool, own, peer net.Addr, payload []byte) {
	from, to := address(own), address(peer)
	if !from.Addr().IsValid() || from.Addr().IsUnspecified() || from.Addr().Is4() != to.Addr().Is4() {
		from = netip.AddrPortFrom(loopback(to.Addr()), from.Port())
	}
	if f.serve {
		from = netip.AddrPortFrom(from.Addr(), f.port)
	} else {
		to = netip.AddrPortFrom(to.Addr(), f.port)
	}
	if !sent {
		from, to = to, from
	}
	data, err := pack(from, to, payload)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
	f.waiting = append(f.waiting, packet{at, data, sent, peer.String(), len(payload) > 0 && payload[0] == recordHandshake})
	f.releaseLocked(f.readyLocked())
}

// readyLocked counts the datagrams that need not wait: those before a part of a handshake that has come in and was not
// answered.
func (f *File) readyLocked() int {
	for i, p := range f.waiting {
		answered := len(f.waiting) > maxWaiting
		for _, later := range f.waiting[i:] {
			answered = answered || later.sent && later.peer == p.peer
		}
		if p.shake && !p.sent && !answered {
			return i
		}
	}
	return len(f.waiting)
}

func (f *File) releaseLocked(n int) {
	for _, p := range f.waiting[:n] {
		if f.err == nil {
			f.err = f.ng.WritePacket(gopacket.CaptureInfo{Timestamp: p.at, CaptureLength: len(p.data), Length: len(p.data)}, p.data)
		}
	}
	f.waiting = f.waiting[n:]
	if f.err == nil {
		f.err = f.ng.Flush()
	}
}

func address(a net.Addr) netip.AddrPort {
	if a == nil {
		return netip.AddrPort{}
	}
	p, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 1)
	}
	return netip.AddrPortFrom(p.Addr().Unmap().WithZone(""), p.Port())
}

func loopback(like netip.Addr) netip.Addr {
	if like.Is4() {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}

func pack(from, to netip.AddrPort, payload []byte) ([]byte, error) {
	udp := &layers.UDP{SrcPort: layers.UDPPort(from.Port()), DstPort: layers.UDPPort(to.Port())}
	var ip interface {
		gopacket.SerializableLayer
		gopacket.NetworkLayer
	}
	if from.Addr().Is4() {
		ip = &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: from.Addr().AsSlice(), DstIP: to.Addr().AsSlice()}
	} else {
		ip = &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolUDP, SrcIP: from.Addr().AsSlice(), DstIP: to.Addr().AsSlice()}
	}
	if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
		return nil, err
	}
	buf := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ip, udp, gopacket.Payload(payload))
	return buf.Bytes(), err
}

// A Decryption Secrets Block (pcapng, section 4.7), and the type of TLS key logs in it.
const (
	blockSecrets = 0x0000000A
	secretsTLS   = 0x544c534b
)

// Write adds lines of a key log (NSS) to the file. It implements io.Writer.
func (f *File) Write(lines []byte) (int, error) {
	padded := (len(lines) + 3) &^ 3
	total := uint32(20 + padded)
	b := binary.LittleEndian.AppendUint32(nil, blockSecrets)
	b = binary.LittleEndian.AppendUint32(b, total)
	b = binary.LittleEndian.AppendUint32(b, secretsTLS)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(lines)))
	b = append(b, lines...)
	b = append(b, make([]byte, padded-len(lines))...)
	b = binary.LittleEndian.AppendUint32(b, total)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = f.ng.Flush()
	}
	if f.err == nil {
		_, f.err = f.out.Write(b)
	}
	f.releaseLocked(len(f.waiting))
	return len(lines), f.err
}

// Conn returns a conn whose datagrams are all added to the file, as they are on the wire.
func (f *File) Conn(c net.PacketConn) net.PacketConn {
	return &watched{PacketConn: c, note: func(sent bool, peer net.Addr, b []byte) { f.Datagram(time.Now(), sent, c.LocalAddr(), peer, b) }}
}

// watched is a PacketConn that tells of every datagram.
type watched struct {
	net.PacketConn
	note func(sent bool, peer net.Addr, datagram []byte)
}

// WriteTo implements net.PacketConn.
func (w *watched) WriteTo(b []byte, to net.Addr) (int, error) {
	w.note(true, to, b)
	return w.PacketConn.WriteTo(b, to)
}

// ReadFrom implements net.PacketConn.
func (w *watched) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := w.PacketConn.ReadFrom(b)
	if err == nil {
		w.note(false, from, b[:n])
	}
	return n, from, err
}
