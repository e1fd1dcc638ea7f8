package node

import (
	"encoding/binary"
	"net/netip"

	"meshsim/fabric"
	"meshsim/matrix"
)

// Ports on a server's mesh address (CONTRACTS.md).
const (
	PortFederation = matrix.DefaultPort // TLS, the gateway
	PortClient     = 8008               // plain HTTP, the client-server API
	PortCoAP       = 5683               // UDP, the gateway's low-bandwidth transport
	PortCoAPS      = 5684               // UDP, MSC3079 for clients
)

// MaxID is the largest server id that has addresses: the mesh's IPv4 prefix is a /9, whose last address is
// broadcast by convention.
const MaxID = 1<<23 - 3

// The mesh's prefixes. Servers have the (id+1)-th address of the first two, their client sides of the
// others.
var (
	Prefix4       = netip.MustParsePrefix("10.0.0.0/9")
	Prefix6       = netip.MustParsePrefix("fd6d:6573:6873::/64")
	ClientPrefix4 = netip.MustParsePrefix("10.128.0.0/9")
	ClientPrefix6 = netip.MustParsePrefix("fd6d:6573:6873:c::/64")
)

// Addrs returns the IPv4 and the IPv6 address of server id on the mesh.
func Addrs(id int) (v4, v6 netip.Addr) { return nth(Prefix4, Prefix6, id) }

// ClientAddrs returns the addresses of the client side of server id.
func ClientAddrs(id int) (v4, v6 netip.Addr) { return nth(ClientPrefix4, ClientPrefix6, id) }

// clientSide marks the fabric node of a server's client side.
const clientSide fabric.NodeID = 1 << 31

// FabricNode is the fabric's name for server id.
func FabricNode(id int) fabric.NodeID { return fabric.NodeID(id) }

// ClientFabricNode is the fabric's name for the client side of server id, a node of its own that is
// linked to that server alone.
func ClientFabricNode(id int) fabric.NodeID { return fabric.NodeID(id) | clientSide }

// IDOf returns the id of the server that has a mesh address.
func IDOf(a netip.Addr) (id int, ok bool) {
	p, bytes := Prefix6, a.AsSlice()
	if a.Is4() {
		p = Prefix4
	}
	if !p.Contains(a) {
		return 0, false
	}
	base := p.Addr().AsSlice()
	last := len(bytes) - 4
	id = int(binary.BigEndian.Uint32(bytes[last:])-binary.BigEndian.Uint32(base[last:])) - 1
	if id < 0 || id > MaxID {
		return 0, false
	}
	v4, v6 := Addrs(id)
	return id, a == v4 || a == v6
}

// FabricLink is the fabric's name for the link between two servers, a < b.
func FabricLink(a, b int) fabric.LinkID { return fabric.LinkID{A: FabricNode(a), B: FabricNode(b)} }

// ClientFabricLink is the fabric's name for the link between server id and its client side.
func ClientFabricLink(id int) fabric.LinkID {
	return fabric.LinkID{A: FabricNode(id), B: ClientFabricNode(id)}
}

// ServerOf says which server a fabric node belongs to, and whether it is the server's client side.
func ServerOf(n fabric.NodeID) (id int, client bool) { return int(n &^ clientSide), n&clientSide != 0 }

func nth(p4, p6 netip.Prefix, id int) (netip.Addr, netip.Addr) {
	if id < 0 || id > MaxID {
		panic("node: server id out of range")
	}
	offset := uint32(id) + 1
	a4 := p4.Addr().As4()
	binary.BigEndian.PutUint32(a4[:], binary.BigEndian.Uint32(a4[:])+offset)
	a6 := p6.Addr().As16()
	binary.BigEndian.PutUint32(a6[12:], offset)
	return netip.AddrFrom4(a4), netip.AddrFrom16(a6)
}
