//go:build linux && docker

package docker_test

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"meshsim/fabric"
	"meshsim/link"
	"meshsim/node"
	"meshsim/node/nodetest"
	"meshsim/port/netstack"
)

// A client reaches a container through its client link, over IPv4 and over IPv6, and no faster than that allows.
func TestClientsCrossTheClientLinkInBothFamilies(t *testing.T) {
	const delay = 30 * time.Millisecond
	m := nodetest.NewMesh(t, fabric.RealClock(), 1)
	d := driver(t, config(t, m, discard{}))
	t.Cleanup(func() { d.Close() })
	spec := node.Spec{Name: "visited", Kind: d.Kind()}
	m.Name(spec)
	if n, _ := started(t, m, d, spec); n == nil {
		t.FailNow()
	}
	client := clientOf(t, m, spec.ID)
	m.LinkClient(spec.ID, link.Params{Delay: delay})
	v4, v6 := node.Addrs(spec.ID)
	for _, address := range []netip.Addr{v4, v6} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		transport := &http.Transport{DialContext: func(ctx context.Context, _, to string) (net.Conn, error) {
			return client.DialContext(ctx, "tcp", netip.MustParseAddrPort(to))
		}}
		defer transport.CloseIdleConnections()
		url := "http://" + netip.AddrPortFrom(address, node.PortClient).String() + "/_matrix/client/versions"
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		answer, err := transport.RoundTrip(request)
		if err != nil {
			t.Errorf("%v: %v", address, err)
			continue
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Errorf("%v: answered %s", address, answer.Status)
		}
		const trips = 2 // of TCP's handshake, and of the request
		if took := time.Since(begun); took < trips*2*delay {
			t.Errorf("%v: answered after %v, which is faster than the link", address, took)
		}
	}
}

// clientOf attaches the client side of a server.
func clientOf(t *testing.T, m *nodetest.Mesh, id int) *netstack.Host {
	t.Helper()
	stack, err := netstack.New(netstack.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stack.Close() })
	v4, v6 := node.ClientAddrs(id)
	host, err := stack.Add(m.Fabric, fabric.NodeConfig{ID: node.ClientFabricNode(id), Name: "client", Addrs: []netip.Addr{v4, v6}})
	if err != nil {
		t.Fatal(err)
	}
	return host
}
