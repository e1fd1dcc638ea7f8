package node_test

import (
	"net/netip"
	"testing"

	"meshsim/node"
)

func TestIDOf(t *testing.T) {
	for _, id := range []int{0, 1, 254, 255, 70_000, node.MaxID} {
		v4, v6 := node.Addrs(id)
		for _, a := range []netip.Addr{v4, v6} {
			if got, ok := node.IDOf(a); !ok || got != id {
				t.Errorf("%v belongs to %d, %v; want %d", a, got, ok, id)
			}
		}
	}
	c4, c6 := node.ClientAddrs(3)
	for _, a := range []netip.Addr{
		{}, c4, c6, node.Prefix4.Addr(), node.Prefix6.Addr(),
		netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("10.127.255.255"),
		netip.MustParseAddr("fd6d:6573:6873::1:0:1"), netip.MustParseAddr("fd6d:6573:6873::ffff:ffff"),
	} {
		if id, ok := node.IDOf(a); ok {
			t.Errorf("%v belongs to server %d, want none", a, id)
		}
	}
}
