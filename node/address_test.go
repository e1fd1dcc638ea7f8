package node_test

import (
	"testing"

	"meshsim/node"
)

func TestAddresses(t *testing.T) {
	cases := []struct {
		slug                           string
		id                             int
		server4, server6, side4, side6 string
	}{
		{"first", 0, "10.0.0.1", "fd6d:6573:6873::1", "10.128.0.1", "fd6d:6573:6873:c::1"},
		{"carries-over", 255, "10.0.1.0", "fd6d:6573:6873::100", "10.128.1.0", "fd6d:6573:6873:c::100"},
		{"last", node.MaxID, "10.127.255.254", "fd6d:6573:6873::7f:fffe", "10.255.255.254", "fd6d:6573:6873:c::7f:fffe"},
	}
	for _, c := range cases {
		t.Run(c.slug, func(t *testing.T) {
			s4, s6 := node.Addrs(c.id)
			c4, c6 := node.ClientAddrs(c.id)
			for i, got := range []string{s4.String(), s6.String(), c4.String(), c6.String()} {
				if want := []string{c.server4, c.server6, c.side4, c.side6}[i]; got != want {
					t.Errorf("address %d of server %d is %s, want %s", i, c.id, got, want)
				}
			}
			if !node.Prefix4.Contains(s4) || !node.ClientPrefix4.Contains(c4) || !node.Prefix6.Contains(s6) || !node.ClientPrefix6.Contains(c6) {
				t.Error("an address is outside of its prefix")
			}
		})
	}
	for _, c := range cases {
		if id, client := node.ServerOf(node.FabricNode(c.id)); id != c.id || client {
			t.Errorf("the fabric node of server %d is taken for that of %d, client side: %v", c.id, id, client)
		}
		if id, client := node.ServerOf(node.ClientFabricNode(c.id)); id != c.id || !client {
			t.Errorf("the client side of server %d is taken for that of %d, client side: %v", c.id, id, client)
		}
	}
}

func TestIDsWithoutAddressPanic(t *testing.T) {
	for _, id := range []int{-1, node.MaxID + 1} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("server %d has an address", id)
				}
			}()
			node.Addrs(id)
		}()
	}
}
