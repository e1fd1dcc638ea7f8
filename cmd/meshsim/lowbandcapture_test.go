package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"meshsim/api"
	"meshsim/lowband/capture"
	"meshsim/lowband/coap"
	"meshsim/node"
)

// captured is a datagram of a capture file.
type captured struct {
	from, to netip.Addr
	payload  []byte
}

// readCapture reads a capture file of UDP at CoAP's port. It must be whole, unless it still grows: then its last datagram
// may be there in part.
func readCapture(t *testing.T, name string, grows bool) []captured {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	r, err := pcapgo.NewNgReader(bytes.NewReader(data), pcapgo.NgReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var all []captured
	for {
		packet, _, err := r.ReadPacketData()
		if err == io.EOF || grows && errors.Is(err, io.ErrUnexpectedEOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		p := gopacket.NewPacket(packet, layers.LayerTypeIPv4, gopacket.Default)
		ip, isIP := p.NetworkLayer().(*layers.IPv4)
		udp, isUDP := p.TransportLayer().(*layers.UDP)
		if !isIP || !isUDP || udp.SrcPort != capture.PortCoAP || udp.DstPort != capture.PortCoAP {
			t.Fatalf("no UDP at CoAP's port: %v", p)
		}
		from, _ := netip.AddrFromSlice(ip.SrcIP)
		to, _ := netip.AddrFromSlice(ip.DstIP)
		all = append(all, captured{from, to, udp.Payload})
	}
}

// TestLowbandCapture runs two servers that talk over lowband. The file can be read while it grows: when a message has
// arrived, the transaction that brought it is there, once and readable, and its answer after the end.
func TestLowbandCapture(t *testing.T) {
	name := filepath.Join(t.TempDir(), "mesh.pcapng")
	if err := os.WriteFile(name, []byte("of the time before"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, "--transport", "lowband", "--lowband-capture", name)
	p.do("POST", "/server", `{"x":0,"y":0}`, nil)
	p.do("POST", "/server", `{"x":20,"y":0}`, nil)
	conn := p.stream()
	var room api.Room
	p.do("POST", "/api/v1/rooms", `{"name":"lobby","creator":0,"members":[1]}`, &room)
	p.frames(conn, func(f api.Frame) bool {
		return f.Diff != nil && len(f.Diff.Rooms) == 1 && allJoined(t, f.Diff.Rooms[0])
	})
	first, _ := node.Addrs(0)
	second, _ := node.Addrs(1)
	before := transactions(readCapture(t, name, true), first, second)
	var message api.SentMessage
	p.do("POST", "/api/v1/rooms/"+url.PathEscape(room.ID)+"/messages", `{"server":0,"body":"hello"}`, &message)
	sent, received := make(map[int]float64), make(map[int]float64)
	p.frames(conn, func(f api.Frame) bool {
		if f.Events != nil {
			note(f.Events, message.EventID, sent, received)
		}
		return len(received) == 1
	})
	if after := transactions(readCapture(t, name, true), first, second); after <= before {
		t.Errorf("the file has %d transactions before the message and %d when it has arrived", before, after)
	}
	p.end()
	seen := make(map[string]int)
	for _, c := range readCapture(t, name, false) {
		text := coap.Describe(c.payload)
		if strings.HasPrefix(text, "no CoAP") {
			t.Errorf("%v to %v: %s", c.from, c.to, text)
		}
		seen[c.from.String()+" "+strings.Fields(text)[0]]++
	}
	if seen[first.String()+" CON"] == 0 || seen[second.String()+" ACK"] == 0 {
		t.Errorf("the file has %v, want requests of %v and answers of %v", seen, first, second)
	}
}

// transactions counts the PUTs from one server to another.
func transactions(list []captured, from, to netip.Addr) int {
	n := 0
	for _, c := range list {
		if c.from == from && c.to == to && strings.HasPrefix(coap.Describe(c.payload), "CON PUT") {
			n++
		}
	}
	return n
}

// TestLowbandCaptureOpensInWireshark without a complaint.
func TestLowbandCaptureOpensInWireshark(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("tshark is not installed")
	}
	name := filepath.Join(t.TempDir(), "mesh.pcapng")
	p := start(t, "--transport", "lowband", "--lowband-capture", name)
	p.do("POST", "/server", `{"x":0,"y":0}`, nil)
	p.do("POST", "/server", `{"x":20,"y":0}`, nil)
	conn := p.stream()
	p.do("POST", "/api/v1/rooms", `{"name":"lobby","creator":0,"members":[1]}`, nil)
	p.frames(conn, func(f api.Frame) bool {
		return f.Diff != nil && len(f.Diff.Rooms) == 1 && allJoined(t, f.Diff.Rooms[0])
	})
	p.end()
	out, err := exec.Command(tshark, "-r", name, "-T", "fields", "-e", "frame.protocols", "-e", "_ws.malformed", "-e", "_ws.expert.message").Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if want := len(readCapture(t, name, false)); len(lines) != want || want == 0 {
		t.Errorf("tshark lists %d datagrams of %d", len(lines), want)
	}
	for _, line := range lines {
		fields := strings.Split(line+"\t\t", "\t")
		if !strings.Contains(fields[0], "udp:coap") || fields[1] != "" || complains(fields[2]) {
			t.Errorf("%q", line)
		}
	}
}

// complains tells whether Wireshark finds fault with a datagram. A busy machine makes repetitions, which it names; and
// Request-Tag (RFC 9175, option 292) is younger than some Wiresharks.
func complains(messages string) bool {
	for message := range strings.SplitSeq(messages, ",") {
		message = strings.TrimSpace(message)
		if message != "" && !strings.HasPrefix(message, "Retransmitted") && message != "Invalid Option Number 292" {
			return true
		}
	}
	return false
}

// TestLowbandCaptureIsRefused before a port is opened, and what a file holds stays where the port is refused.
func TestLowbandCaptureIsRefused(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	kept := filepath.Join(dir, "kept")
	if err := os.WriteFile(kept, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ file, says string }{
		"directory":    {dir, "--lowband-capture: open " + dir + ": is a directory: give a file that can be written"},
		"no-directory": {filepath.Join(dir, "none", "x"), "no such file or directory: give a file that can be written"},
		"port-taken":   {kept, "address already in use"},
	} {
		t.Run(name, func(t *testing.T) {
			command := newRoot(func(string) string { return "" })
			command.SetArgs([]string{"--listen", taken.Addr().String(), "--client-ports", "0", "--lowband-capture", c.file})
			command.SetOut(io.Discard)
			command.SetErr(io.Discard)
			if err := command.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %q", err, c.says)
			}
		})
	}
	if text, err := os.ReadFile(kept); err != nil || string(text) != "precious" {
		t.Errorf("the file holds %q, %v", text, err)
	}
}
