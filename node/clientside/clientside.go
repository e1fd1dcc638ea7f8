// Package clientside is where the clients of all servers are: for each server one fabric node of its own, linked to
// that server alone, from which connections to its client-server API start.
//
// One network stack hosts all of them, because a client's side needs nothing while nobody connects. The nodes' links
// are the mesh's to set.
package clientside

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"meshsim/fabric"
	"meshsim/node"
	"meshsim/port/netstack"
)

// Clients is the client side of every server. It is safe for concurrent use.
//
//	New -> open --Close--> closed
type Clients struct {
	fabric *fabric.Fabric
	stack  *netstack.Stack

	mu    sync.Mutex // guards hosts
	hosts map[int]*netstack.Host
}

// New makes the client side of servers on f. Close releases it.
func New(f *fabric.Fabric) (*Clients, error) {
	stack, err := netstack.New(netstack.Config{})
	if err != nil {
		return nil, err
	}
	return &Clients{fabric: f, stack: stack, hosts: make(map[int]*netstack.Host)}, nil
}

// Add attaches the client side of server id. It does nothing when it is attached.
func (c *Clients) Add(id int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hosts[id] != nil {
		return nil
	}
	v4, v6 := node.ClientAddrs(id)
	host, err := c.stack.Add(c.fabric, fabric.NodeConfig{
		ID:    node.ClientFabricNode(id),
		Name:  fmt.Sprintf("client-%d", id),
		Addrs: []netip.Addr{v4, v6},
	})
	if err != nil {
		return fmt.Errorf("client side of server %d: %w", id, err)
	}
	c.hosts[id] = host
	return nil
}

// Remove ends the connections of the client side of server id and detaches it. It does nothing when it is not
// attached.
func (c *Clients) Remove(id int) {
	c.mu.Lock()
	host := c.hosts[id]
	delete(c.hosts, id)
	c.mu.Unlock()
	if host != nil {
		host.Close()
	}
}

// NoClientError is returned by Dial for a server whose client side is not attached.
type NoClientError struct{ ID int }

func (e *NoClientError) Error() string {
	return fmt.Sprintf("server %d has no client side: it is not running", e.ID)
}

// Dial opens a connection to the client-server API of server id, across its client link. Its errors are those of
// netstack's Dial, and *NoClientError.
func (c *Clients) Dial(ctx context.Context, id int) (net.Conn, error) {
	c.mu.Lock()
	host := c.hosts[id]
	c.mu.Unlock()
	if host == nil {
		return nil, &NoClientError{ID: id}
	}
	v4, _ := node.Addrs(id)
	return host.DialContext(ctx, "tcp", netip.AddrPortFrom(v4, node.PortClient))
}

// DialCoAP returns a socket for datagrams to and from the CoAP for clients of server id, across its client link. Its
// errors are those of netstack's DialUDP, and *NoClientError.
func (c *Clients) DialCoAP(id int) (net.Conn, error) {
	c.mu.Lock()
	host := c.hosts[id]
	c.mu.Unlock()
	if host == nil {
		return nil, &NoClientError{ID: id}
	}
	v4, _ := node.Addrs(id)
	return host.DialUDP(netip.AddrPortFrom(v4, node.PortCoAPS))
}

// Close removes every client side and waits. It is idempotent.
func (c *Clients) Close() error { return c.stack.Close() }
