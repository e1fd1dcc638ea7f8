//go:build linux

package tun_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"meshsim/fabric"
	"meshsim/link"
	"meshsim/port/netstack"
	"meshsim/port/porttest"
	"meshsim/port/tun"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// namespace makes a network namespace that lasts as long as the test.
func namespace(t testing.TB) *tun.Namespace {
	t.Helper()
	ns, _ := heldNamespace(t)
	return ns
}

// heldNamespace is namespace, with the id of the process that holds it and does nothing else.
func heldNamespace(t testing.TB) (*tun.Namespace, int) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("making network namespaces needs root")
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		t.Skipf("this machine has no TUN devices: %v", err)
	}
	holder := exec.Command("cat")
	// It ends with its input, also when the test is killed. A death signal would come when the thread that started it ends.
	holder.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	stdin, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Skipf("this machine makes no network namespaces: %v", err)
	}
	t.Cleanup(func() {
		stdin.Close()
		_ = holder.Wait()
	})
	ns, err := tun.OpenNamespace(holder.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ns.Close() })
	return ns, holder.Process.Pid
}

var everywhere = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd6d:6573:6873::/48")}

func addrs(i int) []netip.Addr {
	return []netip.Addr{
		netip.MustParseAddr(fmt.Sprintf("10.0.0.%d", i+1)),
		netip.MustParseAddr(fmt.Sprintf("fd6d:6573:6873::%d", i+1)),
	}
}

func config(i int) fabric.NodeConfig {
	return fabric.NodeConfig{ID: fabric.NodeID(i), Name: fmt.Sprint("n", i), Addrs: addrs(i)}
}

func TestConformance(t *testing.T) {
	porttest.Run(t, func(t *testing.T, f *fabric.Fabric, cfg fabric.NodeConfig) func() {
		d, err := tun.Attach(f, cfg, namespace(t), tun.Config{Routes: everywhere})
		if err != nil {
			t.Fatal(err)
		}
		return d.Close
	})
}

// chain routes along nodes that are linked in a row.
type chain struct{}

func (chain) NextHop(at, dst fabric.NodeID) (fabric.NodeID, bool) {
	if dst > at {
		return at + 1, true
	}
	return at - 1, true
}

// network is a fabric of nodes 0 to hops, linked in a row.
func network(t testing.TB, hops int, p link.Params) *fabric.Fabric {
	f := fabric.New(fabric.Config{Seed: 1, Clock: fabric.RealClock()})
	t.Cleanup(f.Close)
	change := fabric.Change{Router: chain{}}
	for i := range hops {
		id := fabric.LinkID{A: fabric.NodeID(i), B: fabric.NodeID(i + 1)}
		change.Set = append(change.Set, fabric.LinkConfig{LinkID: id, AB: p, BA: p})
	}
	if err := f.Apply(change); err != nil {
		t.Fatal(err)
	}
	return f
}

// attach puts a namespace at node i.
func attach(t testing.TB, f *fabric.Fabric, i int) *tun.Namespace {
	ns := namespace(t)
	d, err := tun.Attach(f, config(i), ns, tun.Config{Routes: everywhere})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return ns
}

// stack puts an in-process stack at node i.
func stack(t testing.TB, f *fabric.Fabric, i int) *netstack.Host {
	s, err := netstack.New(netstack.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	h, err := s.Add(f, config(i))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// host is one end of a transfer.
type host struct {
	dial   func(context.Context, netip.AddrPort) (net.Conn, error)
	listen func(netip.AddrPort) (net.Listener, error)
}

func inNamespace(ns *tun.Namespace) host { return host{ns.DialContext, ns.Listen} }

func inProcess(h *netstack.Host) host {
	return host{
		dial: func(ctx context.Context, a netip.AddrPort) (net.Conn, error) { return h.DialContext(ctx, "tcp", a) },
		listen: func(a netip.AddrPort) (net.Listener, error) {
			return h.Listen(a)
		},
	}
}

// transfer sends data from one host to another, which must receive the same.
func transfer(t *testing.T, from, to host, address netip.AddrPort, data []byte) {
	t.Helper()
	ln, err := to.listen(address)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	received := make(chan []byte, 1)
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			received <- nil
			return
		}
		defer conn.Close()
		got, _ := io.ReadAll(conn)
		received <- got
	}()
	conn, err := from.dial(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(data); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if got := <-received; !bytes.Equal(got, data) {
		t.Errorf("%d bytes arrived of %d, or others", len(got), len(data))
	}
}

func pattern(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i * i >> 3)
	}
	return data
}

// Superpackets cross whole, are cut on the way, and come from and go to a stack of another make.
func TestTransfers(t *testing.T) {
	for _, c := range []struct {
		slug   string
		params link.Params
	}{
		{"unlimited", link.Params{}},
		{"impaired", link.Params{Delay: time.Millisecond, Rate: 200_000_000}},
		{"corrupting", link.Params{Corrupt: 0.01}},
	} {
		t.Run(c.slug, func(t *testing.T) {
			f := network(t, 2, c.params)
			a, b, c := inNamespace(attach(t, f, 0)), inProcess(stack(t, f, 1)), inNamespace(attach(t, f, 2))
			for family := range 2 {
				transfer(t, a, c, netip.AddrPortFrom(addrs(2)[family], 80), pattern(3_000_000))
				transfer(t, a, b, netip.AddrPortFrom(addrs(1)[family], 80), pattern(3_000_000))
				transfer(t, b, c, netip.AddrPortFrom(addrs(2)[family], 81), pattern(3_000_000))
			}
		})
	}
}

func TestDatagrams(t *testing.T) {
	f := network(t, 1, link.Params{})
	a, b := attach(t, f, 0), stack(t, f, 1)
	for family := range 2 {
		to := netip.AddrPortFrom(addrs(0)[family], 5683)
		server, err := a.ListenPacket(to)
		if err != nil {
			t.Fatal(err)
		}
		client, err := b.DialUDP(to)
		if err != nil {
			t.Fatal(err)
		}
		for _, size := range []int{0, 1, 1000, 4000} { // the last in fragments
			if _, err := client.Write(pattern(size)); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 9000)
			n, from, err := server.ReadFrom(buf)
			if err != nil || !bytes.Equal(buf[:n], pattern(size)) {
				t.Fatalf("server got %d bytes, %v; want %d", n, err, size)
			}
			if _, err := server.WriteTo(buf[:n], from); err != nil {
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

func TestDialErrors(t *testing.T) {
	f := network(t, 1, link.Params{})
	cut := network(t, 1, link.Params{Down: true})
	a, lonely := attach(t, f, 0), attach(t, cut, 0)
	stack(t, f, 1)
	stack(t, cut, 1)
	brief, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	ended, end := context.WithCancel(t.Context())
	end()
	cases := []struct {
		slug string
		ns   *tun.Namespace
		ctx  context.Context
		to   netip.Addr
		want error
	}{
		{"closed-port", a, t.Context(), addrs(1)[0], syscall.ECONNREFUSED},
		{"closed-port-ipv6", a, t.Context(), addrs(1)[1], syscall.ECONNREFUSED},
		{"no-such-address", a, t.Context(), addrs(8)[0], syscall.EHOSTUNREACH},
		{"outside-the-mesh", a, t.Context(), netip.MustParseAddr("192.0.2.1"), syscall.ENETUNREACH},
		{"link-down", lonely, brief, addrs(1)[0], context.DeadlineExceeded},
		{"called-off", a, ended, addrs(1)[0], context.Canceled},
	}
	for _, c := range cases {
		t.Run(c.slug, func(t *testing.T) {
			_, err := c.ns.DialContext(c.ctx, netip.AddrPortFrom(c.to, 80))
			var op *net.OpError
			if !errors.As(err, &op) || !errors.Is(err, c.want) {
				t.Errorf("error %#v, want a *net.OpError around %v", err, c.want)
			}
		})
	}
}

func TestSmallerMTUOnThePathIsFound(t *testing.T) {
	f := network(t, 1, link.Params{MTU: 1300})
	a, b := inNamespace(attach(t, f, 0)), inNamespace(attach(t, f, 1))
	for family := range 2 {
		transfer(t, a, b, netip.AddrPortFrom(addrs(1)[family], 80), pattern(300_000))
	}
}

func TestClosedTwiceAndNamespaceGone(t *testing.T) {
	f := network(t, 1, link.Params{})
	ns := namespace(t)
	d, err := tun.Attach(f, config(0), ns, tun.Config{Routes: everywhere})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tun.Attach(f, config(1), ns, tun.Config{}); err == nil {
		t.Error("two devices of one name in one namespace")
	}
	for range 2 {
		d.Close()
		if err := ns.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := ns.Listen(netip.MustParseAddrPort("127.0.0.1:80")); err == nil {
		t.Error("a closed namespace was entered")
	}
}
