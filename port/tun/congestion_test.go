//go:build linux

package tun_test

import (
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"meshsim/fabric"
	"meshsim/link"
	"meshsim/port/tun"
)

// Connections have the congestion control that was asked for at both ends, and cubic where none was, whatever the machine's
// own is.
func TestCongestionControl(t *testing.T) {
	for wanted, has := range map[string]string{"": "cubic", "cubic": "cubic", "reno": "reno"} {
		t.Run(has+"-for-"+wanted, func(t *testing.T) {
			f := network(t, 1, link.Params{})
			ends := [2]*tun.Namespace{namespace(t), namespace(t)}
			for i, ns := range ends {
				other := map[string]string{"cubic": "reno", "reno": "cubic"}[has]
				if err := ns.Do(func() error {
					return os.WriteFile("/proc/sys/net/ipv4/tcp_congestion_control", []byte(other), 0)
				}); err != nil {
					t.Skipf("this kernel has no %s: %v", other, err)
				}
				d, err := tun.Attach(f, config(i), ns, tun.Config{Routes: everywhere, Congestion: wanted})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(d.Close)
			}
			address := netip.AddrPortFrom(addrs(1)[0], 80)
			ln, err := ends[1].Listen(address)
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			dialled, err := ends[0].DialContext(t.Context(), address)
			if err != nil {
				t.Fatal(err)
			}
			defer dialled.Close()
			accepted, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer accepted.Close()
			for end, conn := range map[string]net.Conn{"dialled": dialled, "accepted": accepted} {
				if got := congestionOf(t, conn); got != has {
					t.Errorf("the %s end has %s, want %s", end, got, has)
				}
			}
		})
	}
}

func congestionOf(t *testing.T, conn net.Conn) (name string) {
	t.Helper()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	if err := raw.Control(func(fd uintptr) {
		name, failed = unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION)
	}); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	return name
}

// A congestion control that the kernel does not have is refused with those that it has, before there is a device and when
// one is attached.
func TestUnknownCongestionControl(t *testing.T) {
	ns := namespace(t)
	f := fabric.New(fabric.Config{Seed: 1, Clock: fabric.RealClock()})
	t.Cleanup(f.Close)
	_, attached := tun.Attach(f, config(0), ns, tun.Config{Congestion: "nosuch"})
	for when, err := range map[string]error{"checked": tun.CheckCongestion("nosuch"), "attached": attached} {
		if err == nil || !strings.Contains(err.Error(), `no TCP congestion control "nosuch", only `) || !strings.Contains(err.Error(), "cubic") {
			t.Errorf("%s: error %v", when, err)
		}
	}
	for _, known := range []string{"reno", "cubic"} {
		if err := tun.CheckCongestion(known); err != nil {
			t.Error(err)
		}
	}
}
