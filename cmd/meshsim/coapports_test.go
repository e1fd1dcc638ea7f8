package main

import (
	"context"
	"encoding/hex"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"meshsim/api"
	"meshsim/lowband/msc3079"
	"meshsim/lowband/proxy"
	"meshsim/lowband/records"
)

// freeUDP is a port that nobody has at the moment, as nobody has the next one, below those that systems give to whoever
// asks for any.
func freeUDP(t *testing.T) int {
	t.Helper()
	const from, count = 21000, 10000
	for i := range count {
		port := from + (os.Getpid()*7+i)%count
		if isFreeUDP(port) && isFreeUDP(port+1) {
			return port
		}
	}
	t.Fatal("no UDP port is free")
	return 0
}

func isFreeUDP(port int) bool {
	conn, err := net.ListenPacket("udp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// TestServersOfferCoAP: a client of MSC3079 reaches a server of the mesh at its port, across its client link, and
// /versions tells where that is.
func TestServersOfferCoAP(t *testing.T) {
	const psk = "00112233445566778899aabbccddeeff"
	key, err := hex.DecodeString(psk)
	if err != nil {
		t.Fatal(err)
	}
	for name, how := range map[string]struct {
		flag []string
		cfg  records.Config
	}{
		"dtls":     {[]string{"--coap-psk", "phone:" + psk}, records.Config{PSKs: []records.PSK{{Identity: "phone", Key: key}}}},
		"insecure": {[]string{"--lowband-insecure"}, records.Config{Insecure: true}},
	} {
		t.Run(name, func(t *testing.T) {
			first := freeUDP(t)
			p := start(t, append(how.flag, "--coap-ports", strconv.Itoa(first))...)
			var server api.Server
			p.do("POST", "/api/v1/servers", `{"x":10,"y":10}`, &server)
			var conn net.PacketConn
			if conn, err = net.ListenPacket("udp4", "127.0.0.1:0"); err != nil {
				t.Fatal(err)
			}
			how.cfg.Conn = conn
			near, err := proxy.NewStandardNear(msc3079.ClientConfig{
				Records: how.cfg, Server: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: first + server.ID},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer near.Close()
			go func() { _ = near.Serve() }()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			w := httptest.NewRecorder()
			near.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "/_matrix/client/versions", nil))
			if want := `"dtls":` + strconv.Itoa(first+server.ID); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			w = httptest.NewRecorder()
			near.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "/_matrix/client/v3/login", nil))
			if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "m.login.password") {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}
