package msc3079

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	piondtls "github.com/pion/dtls/v3"
	peerdtls "github.com/plgd-dev/go-coap/v3/dtls"
	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"
	"github.com/plgd-dev/go-coap/v3/message/pool"
	"github.com/plgd-dev/go-coap/v3/mux"
	coapnet "github.com/plgd-dev/go-coap/v3/net"
	"github.com/plgd-dev/go-coap/v3/options"

	"meshsim/lowband/coap"
	"meshsim/lowband/records"
)

// Peers here are not ours: plgd-dev/go-coap, which does its own retransmissions, blocks, Observe and DTLS sessions, and
// libcoap's command.

var (
	psk   = records.PSK{Identity: "client", Key: []byte("sixteen bytes ok")}
	guard = 60 * time.Second // of each test; nothing waits for it
)

// vector is the test object of MSC3079 in canonical CBOR.
const vector = "a5026e6d2e726f6f6d2e6d65737361676503a2181b6b48656c6c6f20576f726c64181c666d2e74657874056e21666f6f3a6c6f63" +
	"616c686f7374067040616c6963653a6c6f63616c686f737409a26a626f6f6c5f76616c7565f56a6e756c6c5f76616c7565f6"

// mirror answers with what it was asked; GETs of /long with a long answer.
func mirror(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	w.Header().Set("Content-Type", "application/json")
	if strings.Contains(req.URL.Path, "members") {
		_, _ = io.WriteString(w, `{"chunk":["`+strings.Repeat("ab", 4000)+`"]}`)
		return
	}
	answer, _ := json.Marshal(map[string]any{"method": req.Method, "uri": req.RequestURI, "token": req.Header.Get("Authorization"), "body": string(body), "length": len(body)})
	_, _ = w.Write(answer)
}

func startServer(t *testing.T, cfg records.Config, h http.HandlerFunc) (*Server, string) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Conn = conn
	s, err := NewServer(ServerConfig{Records: cfg, Handler: h, Name: "hs0"})
	if err != nil {
		t.Fatal(err)
	}
	serve(t, s)
	return s, conn.LocalAddr().String()
}

func serve(t *testing.T, s interface {
	Serve() error
	Close() error
}) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve()
	}()
	t.Cleanup(func() {
		s.Close()
		<-done
	})
}

func peerOptions(extra ...piondtls.ClientOption) peerdtls.DTLSClientOptions {
	return peerdtls.NewDTLSClientOptions(append([]piondtls.ClientOption{
		piondtls.WithPSK(func([]byte) ([]byte, error) { return psk.Key, nil }),
		piondtls.WithPSKIdentityHint([]byte(psk.Identity)),
		piondtls.WithCipherSuites(piondtls.TLS_PSK_WITH_AES_128_CCM_8),
	}, extra...)...)
}

func readJSON(t *testing.T, body io.Reader) map[string]any {
	t.Helper()
	item, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	codec, err := NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	text, _, err := codec.ToJSON(item)
	if err != nil {
		t.Fatalf("%v: % x", err, item)
	}
	var v map[string]any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// TestAnIndependentClient sends the proposal's test object by a short path, then by the full one; the token comes once.
func TestAnIndependentClient(t *testing.T) {
	_, addr := startServer(t, records.Config{PSKs: []records.PSK{psk}}, mirror)
	ctx, cancel := context.WithTimeout(t.Context(), guard)
	defer cancel()
	for name, cid := range map[string]piondtls.ClientOption{
		"connection-id": piondtls.WithConnectionIDGenerator(piondtls.OnlySendCIDGenerator()), "none": nil,
	} {
		t.Run(name, func(t *testing.T) {
			cfg := peerOptions()
			if cid != nil {
				cfg = peerOptions(cid)
			}
			peer, err := peerdtls.Dial(addr, cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer peer.Close()
			item, _ := hex.DecodeString(vector)
			res, err := peer.Put(ctx, "/9/!r:hs0/m.room.message/t1", message.AppCBOR, bytes.NewReader(item),
				message.Option{ID: optionToken, Value: []byte("secret")})
			if err != nil {
				t.Fatal(err)
			}
			got := readJSON(t, res.Body())
			want := `{"content":{"body":"Hello World","msgtype":"m.text"},"room_id":"!foo:localhost","sender":"@alice:localhost",` +
				`"type":"m.room.message","unsigned":{"bool_value":true,"null_value":null}}`
			if got["body"] != want || got["uri"] != "/_matrix/client/v3/rooms/%21r:hs0/send/m.room.message/t1" && got["uri"] != "/_matrix/client/v3/rooms/!r:hs0/send/m.room.message/t1" {
				t.Errorf("got %v", got)
			}
			res, err = peer.Get(ctx, "/_matrix/client/r0/sync", message.Option{ID: message.URIQuery, Value: []byte("since=a b&c")})
			if err != nil {
				t.Fatal(err)
			}
			if got := readJSON(t, res.Body()); got["uri"] != "/_matrix/client/r0/sync?since=a+b%26c" || got["token"] != "Bearer secret" {
				t.Errorf("got %v", got)
			}
			if got := res.Code(); got != codes.Content {
				t.Errorf("code %v", got)
			}
		})
	}
}

// TestAnIndependentClientMovesBlocks both ways; both are larger than a datagram.
func TestAnIndependentClientMovesBlocks(t *testing.T) {
	_, addr := startServer(t, records.Config{PSKs: []records.PSK{psk}}, mirror)
	ctx, cancel := context.WithTimeout(t.Context(), guard)
	defer cancel()
	peer, err := peerdtls.Dial(addr, peerOptions())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	body := append([]byte{0x79, 0x13, 0x88}, bytes.Repeat([]byte("z"), 5000)...)
	res, err := peer.Post(ctx, "/G", message.AppCBOR, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if got := readJSON(t, res.Body()); got["length"] != float64(5002) {
		t.Errorf("%v bytes arrived", got["length"])
	}
	res, err = peer.Get(ctx, "/C/!r:hs0")
	if err != nil {
		t.Fatal(err)
	}
	if got := readJSON(t, res.Body())["chunk"].([]any)[0].(string); len(got) != 8000 {
		t.Errorf("%d bytes came", len(got))
	}
}

// TestAnIndependentClientObserves sync: what is told are syncs that bring something, in order, and nothing else.
func TestAnIndependentClientObserves(t *testing.T) {
	var told atomic.Int32
	_, addr := startServer(t, records.Config{PSKs: []records.PSK{psk}}, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		n := told.Add(1)
		if n > 6 { // nothing new for as long as the client is there
			<-req.Context().Done()
			return
		}
		if n%2 == 0 {
			fmt.Fprintf(w, `{"next_batch":"s%d","rooms":{"join":{}}}`, n)
			return
		}
		fmt.Fprintf(w, `{"next_batch":"s%d","rooms":{"join":{"!r:hs0":{"timeline":{"events":[{"since":%q}]}}}}}`, n, req.URL.Query().Get("since"))
	})
	ctx, cancel := context.WithTimeout(t.Context(), guard)
	defer cancel()
	peer, err := peerdtls.Dial(addr, peerOptions())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	got := make(chan string, 8)
	_, err = peer.Observe(ctx, "/7", func(m *pool.Message) {
		text, _, _ := must(NewCodec()).ToJSON(must(m.ReadBody()))
		got <- string(text)
	}, message.Option{ID: optionVersion, Value: []byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"s1"`, `"s3"`, `"s5"`} {
		select {
		case text := <-got:
			if !strings.Contains(text, `"next_batch":`+want) {
				t.Errorf("got %s, want %s", text, want)
			}
		case <-ctx.Done():
			t.Fatal("nothing was told")
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestLibcoapsClient runs libcoap's command with a pre-shared key.
func TestLibcoapsClient(t *testing.T) {
	var program string
	for _, name := range []string{"coap-client-openssl", "coap-client-gnutls", "coap-client"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		t.Skip("libcoap's coap-client is not installed (Debian: libcoap3-bin)")
	}
	server, addr := startServer(t, records.Config{PSKs: []records.PSK{psk}}, mirror)
	ctx, cancel := context.WithTimeout(t.Context(), guard)
	defer cancel()
	file := filepath.Join(t.TempDir(), "answer")
	for uri, want := range map[string]string{
		"/7?timeout=5": "/_matrix/client/v3/sync?timeout=5",
		"/C/room":      strings.Repeat("ab", 4000),
	} {
		c := exec.CommandContext(ctx, program, "-u", psk.Identity, "-k", string(psk.Key), "-o", file, "-m", "get", "-O", "256,tok", "coaps://"+addr+uri)
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		item, err := os.ReadFile(file)
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if text, _, err := must(NewCodec()).ToJSON(item); err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: %v, got %.200s (%s)", uri, err, text, out)
		}
	}
	if s := server.Stats(); s.Handshakes != 2 {
		t.Errorf("%+v", s)
	}
}

// TestAnIndependentServer has our client ask one, with a certificate, with blocks both ways.
func TestAnIndependentServer(t *testing.T) {
	certificate, roots := selfSigned(t)
	router := mux.NewRouter()
	handle := func(w mux.ResponseWriter, r *mux.Message) {
		body, _ := r.ReadBody()
		path, _ := r.Path()
		token, _ := r.Options().GetBytes(optionToken)
		answer, _ := must(NewCodec()).FromJSON(must(json.Marshal(map[string]any{
			"path": path, "token": string(token), "length": len(body), "chunk": strings.Repeat("x", 3000),
		})), true)
		_ = w.SetResponse(codes.Content, message.AppCBOR, bytes.NewReader(answer))
	}
	router.DefaultHandleFunc(handle)
	listener, err := coapnet.NewDTLSListener("udp", "127.0.0.1:0", coapnet.NewDTLSServerOptions(piondtls.WithCertificates(certificate)))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	server := peerdtls.NewServer(options.WithMux(router))
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_ = server.Serve(listener)
	}()
	defer func() { server.Stop(); <-stopped }()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	client, err := NewClient(ClientConfig{
		Records: records.Config{Conn: conn, Roots: roots, ServerName: "hs0"}, Server: listener.Addr(), Path: coap.Path{RTT: 10 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	serve(t, client)
	ctx, cancel := context.WithTimeout(t.Context(), guard)
	defer cancel()
	for i, want := range []string{"tok", "", ""} {
		method, path, short, body := "POST", "createRoom", "/G", `{"name":"`+strings.Repeat("n", 3000)+`"}`
		if i != 1 { // the first one tells the version, which this server does not understand
			method, path, short, body = "GET", "joined_rooms", "/I", ""
		}
		req, _ := http.NewRequestWithContext(ctx, method, "http://hs/_matrix/client/v3/"+path, strings.NewReader(body))
		req.Header.Set("Authorization", "Bearer tok")
		res, err := client.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.NewDecoder(res.Body).Decode(&got); err != nil {
			t.Fatal(err)
		}
		if got["path"] != short || got["length"].(float64) < float64(len(body))-10 || len(got["chunk"].(string)) != 3000 {
			t.Errorf("got %.200v", got)
		}
		if got["token"] != want {
			t.Errorf("request %d brings the token %q, want %q", i, got["token"], want)
		}
	}
}

func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"hs0"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}, roots
}
