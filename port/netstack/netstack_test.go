package netstack_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"meshsim/fabric"
	"meshsim/link"
	"meshsim/port/netstack"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// chain is a row of nodes, each linked to the next, with a host at both ends.
type chain struct {
	fabric *fabric.Fabric
	a, b   *netstack.Host
}

// row routes along a chain.
type row struct{}

func (row) NextHop(at, dst fabric.NodeID) (fabric.NodeID, bool) {
	if at < dst {
		return at + 1, true
	}
	return at - 1, true
}

func addrs(n int) []netip.Addr {
	return []netip.Addr{
		netip.AddrFrom4([4]byte{10, 0, 0, byte(n + 1)}),
		netip.AddrFrom16([16]byte{0xfd, 0x6d, 15: byte(n + 1)}),
	}
}

func newChain(t testing.TB, hops int, params link.Params) *chain {
	return newChainWith(t, hops, params, fabric.TimerClock())
}

func newChainWith(t testing.TB, hops int, params link.Params, clock fabric.Clock) *chain {
	t.Helper()
	f := fabric.New(fabric.Config{Seed: 1, Clock: clock})
	t.Cleanup(f.Close)
	change := fabric.Change{Router: row{}}
	for i := range hops {
		id := fabric.LinkID{A: fabric.NodeID(i), B: fabric.NodeID(i + 1)}
		change.Set = append(change.Set, fabric.LinkConfig{LinkID: id, AB: params, BA: params})
	}
	if err := f.Apply(change); err != nil {
		t.Fatal(err)
	}
	return &chain{fabric: f, a: newHost(t, f, 0), b: newHost(t, f, hops)}
}

// newHost attaches a host of a stack of its own as node n.
func newHost(t testing.TB, f *fabric.Fabric, n int) *netstack.Host {
	t.Helper()
	s, err := netstack.New(netstack.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return addHost(t, s, f, n)
}

func addHost(t testing.TB, s *netstack.Stack, f *fabric.Fabric, n int) *netstack.Host {
	t.Helper()
	h, err := s.Add(f, fabric.NodeConfig{ID: fabric.NodeID(n), Addrs: addrs(n)})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// listenAll listens on port 80 of all addresses of h.
func listenAll(t testing.TB, h *netstack.Host) net.Listener {
	t.Helper()
	var on []netip.AddrPort
	for _, a := range h.Addrs() {
		on = append(on, netip.AddrPortFrom(a, 80))
	}
	ln, err := h.Listen(on...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

// echo serves ln by sending back what comes, until ln is closed.
func echo(t testing.TB, ln net.Listener) {
	serve(t, ln, func(conn net.Conn) { _, _ = io.Copy(conn, conn) })
}

// mirror sends back what has come, once all has. Where both ends of a connection send at a time, have filled each other's
// buffers and then lose packets, gVisor's may wait for each other for ever (docs/architecture.md).
func mirror(t testing.TB, ln net.Listener) {
	serve(t, ln, func(conn net.Conn) {
		data, _ := io.ReadAll(conn)
		_, _ = conn.Write(data)
	})
}

func serve(t testing.TB, ln net.Listener, each func(net.Conn)) {
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("Accept: %v", err)
				}
				return
			}
			serving.Go(func() {
				defer conn.Close()
				each(conn)
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		serving.Wait()
	})
}

// exchange sends data over a new connection to an echo or a mirror and checks that it comes back.
func exchange(ctx context.Context, h *netstack.Host, to netip.AddrPort, data []byte) error {
	conn, err := h.DialContext(ctx, "tcp", to)
	if err != nil {
		return err
	}
	defer conn.Close()
	failed := make(chan error, 1)
	go func() {
		_, err := conn.Write(data)
		failed <- errors.Join(err, conn.(interface{ CloseWrite() error }).CloseWrite())
	}()
	got := make([]byte, len(data))
	if _, err := io.ReadFull(conn, got); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	if err := <-failed; err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if sha256.Sum256(got) != sha256.Sum256(data) {
		return errors.New("what came back differs")
	}
	return nil
}

func pattern(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i * 7 >> 3)
	}
	return data
}

func TestTCPOverBothFamilies(t *testing.T) {
	for _, hops := range []int{1, 3} {
		c := newChain(t, hops, link.Params{})
		echo(t, listenAll(t, c.b))
		for _, a := range c.b.Addrs() {
			t.Run(fmt.Sprintf("%d-hops-%v", hops, a), func(t *testing.T) {
				if err := exchange(t.Context(), c.a, netip.AddrPortFrom(a, 80), pattern(3_000_000)); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestHostsOfOneStackMeetThroughTheFabric(t *testing.T) {
	f := fabric.New(fabric.Config{Clock: fabric.TimerClock()})
	defer f.Close()
	s, err := netstack.New(netstack.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	a, b := addHost(t, s, f, 0), addHost(t, s, f, 1)
	echo(t, listenAll(t, b))
	to := netip.AddrPortFrom(b.Addrs()[0], 80)
	if err := f.Apply(fabric.Change{Router: noWay{}}); err != nil {
		t.Fatal(err)
	}
	if err := exchange(t.Context(), a, to, pattern(10)); !errors.Is(err, syscall.EHOSTUNREACH) && !errors.Is(err, syscall.ENETUNREACH) {
		t.Errorf("without a link: %v, want unreachable", err)
	}
	id := fabric.LinkID{A: 0, B: 1}
	if err := f.Apply(fabric.Change{Set: []fabric.LinkConfig{{LinkID: id}}, Router: row{}}); err != nil {
		t.Fatal(err)
	}
	if err := exchange(t.Context(), a, to, pattern(100_000)); err != nil {
		t.Errorf("with a link: %v", err)
	}
	stats, ok := f.LinkStats(id)
	if !ok || stats.AB.Bytes < 100_000 || stats.BA.Bytes < 100_000 {
		t.Errorf("the link carried %+v, want 100,000 bytes each way", stats)
	}
}

type noWay struct{}

func (noWay) NextHop(fabric.NodeID, fabric.NodeID) (fabric.NodeID, bool) { return 0, false }

func TestDialErrors(t *testing.T) {
	c := newChain(t, 1, link.Params{})
	down := newChain(t, 1, link.Params{Down: true})
	brief, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	cases := []struct {
		slug string
		host *netstack.Host
		ctx  context.Context
		net  string
		to   netip.Addr
		want error
	}{
		{"refused", c.a, t.Context(), "tcp", addrs(1)[0], syscall.ECONNREFUSED},
		{"refused-ipv6", c.a, t.Context(), "tcp", addrs(1)[1], syscall.ECONNREFUSED},
		{"no-such-address", c.a, t.Context(), "tcp", addrs(9)[0], syscall.EHOSTUNREACH},
		{"cut-link", down.a, brief, "tcp", addrs(1)[0], context.DeadlineExceeded},
		{"unknown-network", c.a, t.Context(), "sctp", addrs(1)[0], net.UnknownNetworkError("sctp")},
	}
	for _, c := range cases {
		t.Run(c.slug, func(t *testing.T) {
			_, err := c.host.DialContext(c.ctx, c.net, netip.AddrPortFrom(c.to, 80))
			var op *net.OpError
			if !errors.As(err, &op) || !errors.Is(err, c.want) {
				t.Errorf("error %#v, want a *net.OpError around %v", err, c.want)
			}
		})
	}
}

func TestUDP(t *testing.T) {
	c := newChain(t, 2, link.Params{})
	for i, a := range c.b.Addrs() {
		server, err := c.b.ListenPacket(netip.AddrPortFrom(a, 5683))
		if err != nil {
			t.Fatal(err)
		}
		client, err := c.a.DialContext(t.Context(), "udp", netip.AddrPortFrom(a, 5683))
		if err != nil {
			t.Fatal(err)
		}
		for _, size := range []int{1, 1000, 4000} { // the last in fragments
			data := pattern(size)
			if _, err := client.Write(data); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 9000)
			n, from, err := server.ReadFrom(buf)
			if err != nil || !bytes.Equal(buf[:n], data) {
				t.Fatalf("server got %d bytes, %v; want %d", n, err, size)
			}
			if host := from.(*net.UDPAddr).AddrPort().Addr().Unmap(); host != c.a.Addrs()[i] {
				t.Errorf("datagram from %v, want %v", host, c.a.Addrs()[i])
			}
			if _, err := server.WriteTo(data, from); err != nil {
				t.Fatal(err)
			}
			if n, err := client.Read(buf); err != nil || n != size {
				t.Fatalf("client got %d bytes, %v; want %d", n, err, size)
			}
		}
		client.Close()
		server.Close()
	}
}

func TestCloseEndsEverything(t *testing.T) {
	c := newChain(t, 1, link.Params{})
	ln := listenAll(t, c.b)
	near, err := c.a.DialContext(t.Context(), "tcp", netip.AddrPortFrom(addrs(1)[0], 80))
	if err != nil {
		t.Fatal(err)
	}
	far, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	accepting := make(chan error, 1)
	go func() {
		_, err := ln.Accept()
		accepting <- err
	}()
	reading := make(chan error, 2)
	for _, conn := range []net.Conn{near, far} {
		go func() {
			_, err := conn.Read(make([]byte, 1))
			reading <- err
		}()
	}
	datagrams, err := c.b.ListenPacket(netip.AddrPortFrom(addrs(1)[0], 5683))
	if err != nil {
		t.Fatal(err)
	}
	receiving := make(chan error, 1)
	go func() {
		_, _, err := datagrams.ReadFrom(make([]byte, 1))
		receiving <- err
	}()
	c.b.Close()
	c.b.Close()
	if err := <-receiving; !errors.Is(err, net.ErrClosed) {
		t.Errorf("ReadFrom: %v, want net.ErrClosed", err)
	}
	if err := <-accepting; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept: %v, want net.ErrClosed", err)
	}
	for range 2 {
		if err := <-reading; err == nil {
			t.Error("a connection of the closed host still reads")
		}
	}
	if _, err := c.a.DialContext(t.Context(), "tcp", netip.AddrPortFrom(addrs(1)[0], 80)); err == nil {
		t.Error("the closed host still answers")
	}
	near.Close()
	far.Close()
	again := newHost(t, c.fabric, 1) // its addresses and node are free
	echo(t, listenAll(t, again))
	if err := exchange(t.Context(), c.a, netip.AddrPortFrom(addrs(1)[0], 80), pattern(1000)); err != nil {
		t.Errorf("after attaching again: %v", err)
	}
}

func TestAddErrors(t *testing.T) {
	f := fabric.New(fabric.Config{Clock: fabric.TimerClock()})
	defer f.Close()
	s, err := netstack.New(netstack.Config{})
	if err != nil {
		t.Fatal(err)
	}
	addHost(t, s, f, 0)
	if _, err := s.Add(f, fabric.NodeConfig{ID: 1}); err == nil {
		t.Error("a host without address was added")
	}
	if _, err := s.Add(f, fabric.NodeConfig{ID: 1, Addrs: []netip.Addr{addrs(1)[0], addrs(0)[0]}}); err == nil {
		t.Error("an address was given twice")
	}
	if _, err := s.Add(f, fabric.NodeConfig{ID: 0, Addrs: addrs(2)}); err == nil {
		t.Error("a node was attached twice")
	}
	if _, err := s.Add(f, fabric.NodeConfig{ID: 1, Addrs: addrs(1)}); err != nil {
		t.Errorf("after the failures: %v", err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.Add(f, fabric.NodeConfig{ID: 5, Addrs: addrs(5)}); err == nil {
		t.Error("a closed stack took a host")
	}
	if _, err := netstack.New(netstack.Config{MTU: 100}); err == nil {
		t.Error("an MTU of 100 was accepted")
	}
}

func TestSmallerMTUOnThePathIsFound(t *testing.T) {
	c := newChain(t, 1, link.Params{})
	id := fabric.LinkID{A: 0, B: 1}
	params := link.Params{MTU: 1300}
	if err := c.fabric.Apply(fabric.Change{Set: []fabric.LinkConfig{{LinkID: id, AB: params, BA: params}}}); err != nil {
		t.Fatal(err)
	}
	echo(t, listenAll(t, c.b))
	for _, a := range c.b.Addrs() {
		if err := exchange(t.Context(), c.a, netip.AddrPortFrom(a, 80), pattern(100_000)); err != nil {
			t.Errorf("%v: %v", a, err)
		}
	}
}
