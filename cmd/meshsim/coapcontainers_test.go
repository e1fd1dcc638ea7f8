//go:build linux && docker

package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"meshsim/node"
	"meshsim/node/nodetest"
)

// TestContainersOfferCoAP: a Synapse's CoAP port serves MSC3079, across the client link and no shorter way; and an ordinary
// client, which knows nothing of all that, talks through coap-proxy to one on an embedded server: encrypted messages,
// typing, receipts, media.
func TestContainersOfferCoAP(t *testing.T) {
	wantsContainers(t)
	const psk = "phone:00112233445566778899aabbccddeeff"
	first := freeUDP(t)
	p := startWithContainers(t, "--coap-ports", strconv.Itoa(first), "--coap-psk", psk)
	defer p.endContainers()
	p.add("synapse", 0)
	p.add("embedded", 20)
	var clients []string
	for id := range 2 {
		clients = append(clients, startProxy(t, `at (http\S+)`, 1, "--wire", "standard", "--psk", psk, "--listen", "127.0.0.1:0",
			"--coap-target", net.JoinHostPort("127.0.0.1", strconv.Itoa(first+id)))[0])
	}
	near, err := url.Parse(clients[0])
	if err != nil {
		t.Fatal(err)
	}
	synapse := &nodetest.Client{API: &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(near) }}}
	if err := synapse.Login(t.Context(), node.AccountUser, node.AccountPassword); err != nil {
		t.Fatal(err)
	}
	const far = time.Second
	p.do("PUT", "/defaults", fmt.Sprintf(`{"client_latency":%d}`, far.Milliseconds()), nil)
	begun := time.Now()
	status, err := synapse.Do(t.Context(), http.MethodGet, "/account/whoami", nil, nil)
	if took := time.Since(begun); err != nil || status != http.StatusOK || took < 2*far {
		t.Errorf("whoami: %d, %v after %v, and the client link is %v long", status, err, took, far)
	}
	p.do("PUT", "/defaults", `{"client_latency":1}`, nil)

	const python = "/usr/bin/python3" // Debian's packages are for its own
	if out, err := exec.Command(python, "-c", "import nio, olm").CombinedOutput(); err != nil {
		t.Skipf("not tested, because python3-matrix-nio and python3-olm are missing (scripts/deps): %s", out)
	}
	for _, maker := range []int{0, 1} {
		t.Run(fmt.Sprintf("room-of-hs%d", maker), func(t *testing.T) {
			script := "../../homeserver/clientapi/testdata/clients/nio_talk.py"
			talk := exec.CommandContext(t.Context(), "timeout", "300", python, script, clients[maker], clients[1-maker])
			if out, err := talk.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}
