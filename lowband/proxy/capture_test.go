package proxy

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"meshsim/lowband"
	"meshsim/lowband/capture"
	"meshsim/lowband/channel"
	"meshsim/lowband/msc3079"
	"meshsim/lowband/records"
)

// listen opens a socket on loopback.
func listen(t *testing.T, network string) net.PacketConn {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "udp6" {
		address = "[::1]:0"
	}
	conn, err := net.ListenPacket(network, address)
	if err != nil {
		t.Skip(err)
	}
	return conn
}

// shout answers in capitals.
var shout = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(bytes.ToUpper(body))
})

// exchange sends small and large bodies through a near side.
func exchange(t *testing.T, near http.Handler) {
	t.Helper()
	for _, n := range []int{1, 100, 4000} {
		w := httptest.NewRecorder()
		body := `{"a":"` + strings.Repeat("b", n) + `"}`
		near.ServeHTTP(w, httptest.NewRequest("PUT", "/_matrix/client/v3/rooms/%21r:hs/send/m.room.message/t?x=y", strings.NewReader(body)))
		if w.Body.String() != strings.ToUpper(body) {
			t.Fatalf("%d %.200s", w.Code, w.Body)
		}
	}
}

// tshark reads a capture file and returns a line for each packet: protocols, what is malformed, what is odd.
func tshark(t *testing.T, data []byte) []string {
	t.Helper()
	program, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("tshark is not installed")
	}
	name := filepath.Join(t.TempDir(), "x.pcapng")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(program, "-r", name, "-T", "fields", "-e", "frame.protocols", "-e", "_ws.malformed", "-e", "_ws.expert.message").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// odd tells whether Wireshark finds fault with a packet, repetitions apart. known is a message that does not count.
func odd(line, known string) bool {
	fields := strings.Split(line+"\t\t", "\t")
	for message := range strings.SplitSeq(fields[2], ",") { // a repetition may have a known message, too
		if message != "" && message != known && !strings.HasPrefix(message, "Retransmitted") {
			return true
		}
	}
	return fields[1] != ""
}

// unknownTag is what a Wireshark that does not know Request-Tag (RFC 9175, option 292) says of it.
const unknownTag = "Invalid Option Number 292"

// file is a file in memory.
type file struct {
	mu   sync.Mutex // guards data
	data bytes.Buffer
}

func (f *file) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.data.Write(b)
}

func (f *file) Bytes() []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return bytes.Clone(f.data.Bytes())
}

// ends starts both sides of MSC3079 over sockets of loopback.
func ends(t *testing.T, network string, far, near func(*records.Config), farTap, nearTap lowband.Tap) *Near {
	t.Helper()
	farConfig := records.Config{Conn: listen(t, network), PSKs: psk}
	address := farConfig.Conn.LocalAddr()
	far(&farConfig)
	f, err := NewStandardFar(msc3079.ServerConfig{Records: farConfig, Tap: farTap}, &url.URL{Scheme: "http", Host: "hs"}, direct{shout}, 5684)
	if err != nil {
		t.Fatal(err)
	}
	run(t, f)
	nearConfig := records.Config{Conn: listen(t, network), PSKs: psk}
	near(&nearConfig)
	n, err := NewStandardNear(msc3079.ClientConfig{Records: nearConfig, Server: address, Tap: nearTap})
	if err != nil {
		t.Fatal(err)
	}
	run(t, n)
	return n
}

// TestCapturesOpenInWireshark: CoAP as it is before encryption, of both wire formats, and DTLS with its keys in the file.
func TestCapturesOpenInWireshark(t *testing.T) {
	for _, network := range []string{"udp4", "udp6"} {
		t.Run("standard-"+network, func(t *testing.T) {
			var plain, sealed file
			plainFile, err := capture.NewFile(&plain, capture.PortCoAP, true)
			if err != nil {
				t.Fatal(err)
			}
			sealedFile, err := capture.NewFile(&sealed, capture.PortDTLS, true)
			if err != nil {
				t.Fatal(err)
			}
			near := ends(t, network, func(c *records.Config) {
				c.KeyLog = sealedFile
				c.Conn = sealedFile.Conn(c.Conn)
			}, func(*records.Config) {}, lowband.Tap{Datagram: func(sent bool, peer net.Addr, b []byte) {
				plainFile.Datagram(time.Now(), sent, nil, peer, b)
			}}, lowband.Tap{})
			exchange(t, near)
			near.Close()
			if errors.Join(plainFile.Flush(), sealedFile.Flush()) != nil {
				t.Fatal(plainFile.Flush(), sealedFile.Flush())
			}
			moved := 0
			for _, line := range tshark(t, plain.Bytes()) {
				moved++
				if !strings.Contains(line, "udp:coap") || odd(line, "") {
					t.Errorf("plain: %q", line)
				}
			}
			decrypted := 0
			for _, line := range tshark(t, sealed.Bytes()) {
				if !strings.Contains(line, "dtls") || odd(line, "") {
					t.Errorf("encrypted: %q", line)
				}
				if strings.Contains(line, "dtls:coap") {
					decrypted++
				}
			}
			if decrypted != moved || moved < 18 {
				t.Errorf("%d datagrams of %d were decrypted", decrypted, moved)
			}
		})
	}
	t.Run("compact", func(t *testing.T) {
		var plain file
		out, err := capture.NewFile(&plain, capture.PortCoAP, false)
		if err != nil {
			t.Fatal(err)
		}
		nearConn := listen(t, "udp4")
		near := compactEnds(t, nearConn, lowband.Tap{Datagram: func(sent bool, peer net.Addr, b []byte) {
			out.Datagram(time.Now(), sent, nearConn.LocalAddr(), peer, b)
		}})
		exchange(t, near)
		near.Close()
		for _, line := range tshark(t, plain.Bytes()) {
			if !strings.Contains(line, "udp:coap") || odd(line, unknownTag) {
				t.Errorf("%q", line)
			}
		}
	})
}

// compactEnds starts both sides of the compact format; the near one has a connection and a tap.
func compactEnds(t *testing.T, nearConn net.PacketConn, tap lowband.Tap) *Near {
	t.Helper()
	key, err := channel.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	farConn := listen(t, "udp4")
	far := NewFar(FarConfig{Conn: farConn, Key: key, Target: &url.URL{Scheme: "http", Host: "hs"}, Transport: direct{shout}})
	run(t, far)
	near, err := NewNear(NearConfig{Conn: nearConn, Far: farConn.LocalAddr(), Key: key.Public(), Tap: tap})
	if err != nil {
		t.Fatal(err)
	}
	run(t, near)
	return near
}

// TestDumpShowsEachStep of a message, with the sizes that it has on the way, in the order in which they are made.
func TestDumpShowsEachStep(t *testing.T) {
	for wire, c := range map[string]struct {
		near func(*capture.Dump) *Near
		want []string
	}{
		"standard": {func(d *capture.Dump) *Near {
			return ends(t, "udp4", func(*records.Config) {}, func(c *records.Config) { c.Conn = d.Conn(c.Conn) }, lowband.Tap{}, d.Tap())
		}, []string{"-> HTTP request", "-> CBOR request", "-> CoAP", "URIPath=9", "-> on the wire", "<- CoAP", "<- CBOR answer", `"A": "B"`, "<- HTTP answer"}},
		"compact": {func(d *capture.Dump) *Near { return compactEnds(t, d.Conn(listen(t, "udp4")), d.Tap()) },
			[]string{"-> HTTP request", "-> CBOR request", "-> deflated request", "-> CoAP", "-> on the wire", "<- on the wire", "<- CoAP",
				"<- deflated answer", "<- CBOR answer", "<- HTTP answer"}},
	} {
		t.Run(wire, func(t *testing.T) {
			var out file
			near := c.near(capture.NewDump(&out))
			exchange(t, near)
			near.Close()
			rest := string(out.Bytes())
			for _, want := range c.want {
				_, after, found := strings.Cut(rest, want)
				if !found {
					t.Fatalf("%q is missing in what is left:\n%.3000s\nof\n%.3000s", want, rest, string(out.Bytes()))
				}
				rest = after
			}
			if testing.Verbose() {
				t.Logf("%.3000s", string(out.Bytes()))
			}
		})
	}
}
