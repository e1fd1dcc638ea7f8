package coap

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestWiresharkReadsIt captures requests, late answers and transfers in blocks before they are encrypted; tshark finds
// CoAP in each datagram, and nothing wrong with it.
func TestWiresharkReadsIt(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("tshark is not installed")
	}
	var datagrams [][]byte
	synctest.Test(t, func(t *testing.T) {
		l := &line{delay: 50 * time.Millisecond, loss: 0.1}
		client, _ := newLine(t, l, func(ctx context.Context, req Request) Response {
			if len(req.Payload) == 1 {
				time.Sleep(time.Minute)
			}
			return echo(ctx, req)
		})
		for _, size := range []int{0, 1, 100, 5000} {
			if _, err := client.Do(t.Context(), Request{Method: 5, Payload: bytes.Repeat([]byte("x"), size)}); err != nil {
				t.Fatal(err)
			}
		}
		datagrams = l.kept
	})
	file := filepath.Join(t.TempDir(), "coap.pcap")
	if err := os.WriteFile(file, pcap(datagrams), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tshark, "-r", file, "-T", "fields", "-e", "frame.protocols", "-e", "_ws.malformed", "-e", "_ws.expert.message").Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(datagrams) {
		t.Fatalf("tshark lists %d datagrams of %d", len(lines), len(datagrams))
	}
	for i, line := range lines {
		fields := strings.Split(line+"\t\t", "\t")
		message := strings.TrimSpace(fields[2])
		clean := fields[1] == "" && (message == "" || strings.HasPrefix(message, "Retransmitted"))
		if !strings.Contains(fields[0], "coap") || !clean && message != unknownTag {
			t.Errorf("datagram %d: %q: % x", i, line, datagrams[i][:min(len(datagrams[i]), 24)])
		}
	}
}

// unknownTag is what a Wireshark that does not know Request-Tag (RFC 9175, option 292) says of it.
const unknownTag = "Invalid Option Number 292"

// pcap is a capture file of IPv4 packets with UDP datagrams between two hosts at CoAP's port.
func pcap(datagrams [][]byte) []byte {
	const linkRaw, port = 101, 5683
	b := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	b = append(b, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, 65535)
	b = binary.LittleEndian.AppendUint32(b, linkRaw)
	for i, d := range datagrams {
		total := 20 + 8 + len(d)
		for _, n := range []int{i, 0, total, total} {
			b = binary.LittleEndian.AppendUint32(b, uint32(n))
		}
		b = append(b, 0x45, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(total))
		b = append(b, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2)
		b = binary.BigEndian.AppendUint16(b, port)
		b = binary.BigEndian.AppendUint16(b, port)
		b = binary.BigEndian.AppendUint16(b, uint16(8+len(d)))
		b = append(append(b, 0, 0), d...)
	}
	return b
}
