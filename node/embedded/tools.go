package embedded

import (
	"context"
	"fmt"
	"net/netip"
	"runtime/metrics"

	"meshsim/node"
	"meshsim/port/probe"
)

var (
	_ node.LogReader = (*running)(nil)
	_ node.Meter     = (*running)(nil)
	_ node.Prober    = (*running)(nil)

	_ node.LogKeeper = (*Driver)(nil)
)

// ReadLog implements node.LogReader.
func (n *running) ReadLog(ctx context.Context, lines int, follow bool, each func(string) error) error {
	return n.resident.journal.Read(ctx, lines, follow, each)
}

// ReadLog implements node.LogReader, for a server that has ended: there is nothing to follow.
func (r *resident) ReadLog(ctx context.Context, lines int, _ bool, each func(string) error) error {
	return r.journal.Read(ctx, lines, false, each)
}

// LastLog implements node.LogKeeper.
func (d *Driver) LastLog(id int) (node.LogReader, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r, ok := d.residents[id]
	return r, ok
}

// Usage implements node.Meter: what one of many in the same process uses is not known.
func (n *running) Usage(context.Context) (node.Usage, error) {
	d := n.resident.driver
	d.mu.Lock()
	servers := len(d.residents)
	d.mu.Unlock()
	total := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(total)
	held := total[0].Value.Uint64() - total[1].Value.Uint64()
	return node.Usage{Note: fmt.Sprintf("embedded servers share the process of meshsim, so what one uses is not known: "+
		"the process holds %d MB with %d embedded servers", held>>20, servers)}, nil
}

// OpenICMP implements node.Prober.
func (n *running) OpenICMP(local netip.Addr) (probe.Conn, error) { return n.host.OpenICMP(local) }

// Peers implements node.PeerLister.
func (n *running) Peers() []node.Peer {
	backlogs := n.resident.peer.Backlogs()
	peers := make([]node.Peer, len(backlogs))
	for i, b := range backlogs {
		peers[i] = node.Peer(b)
	}
	return peers
}
