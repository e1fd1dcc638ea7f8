// Package directory shows the mesh to what stands beside one server: its gateway, and the resolver of its network
// namespace. It translates ids into addresses and back, and keeps nothing.
package directory

import (
	"net/netip"

	"meshsim/gateway"
	"meshsim/node"
)

// Directory is the mesh as server From sees it. It is safe for concurrent use and does not block.
type Directory struct {
	Mesh node.Network
	From int
}

var _ gateway.Directory = Directory{}

// Lookup implements gateway.Directory.
func (d Directory) Lookup(name string) (gateway.Peer, bool) {
	id, ok := d.Mesh.Lookup(name)
	if !ok {
		return gateway.Peer{}, false
	}
	v4, _ := node.Addrs(id)
	return gateway.Peer{ID: id, Addr: v4}, true
}

// Path implements gateway.Directory.
func (d Directory) Path(to int) (gateway.Path, bool) {
	p, ok := d.Mesh.Path(d.From, to)
	return gateway.Path{Routes: p.Routes, RTT: p.RTT, Rate: p.Rate, Slowest: p.Slowest}, ok
}

// Addrs implements resolver.Names.
func (d Directory) Addrs(name string) []netip.Addr {
	id, ok := d.Mesh.Lookup(name)
	if !ok {
		return nil
	}
	v4, v6 := node.Addrs(id)
	return []netip.Addr{v4, v6}
}

// NameOf implements resolver.Names.
func (d Directory) NameOf(addr netip.Addr) (string, bool) {
	id, ok := node.IDOf(addr)
	if !ok {
		return "", false
	}
	return d.Mesh.NameOf(id)
}
