package embedded

import (
	"net/http"
	"net/netip"

	"meshsim/node"
)

// listenCoAP serves clients over CoAP too, where the mesh has it.
func (n *running) listenCoAP(clients http.Handler) error {
	cfg := &n.resident.driver.cfg
	if !cfg.CoAP.Holds() {
		return nil
	}
	v4, _ := node.Addrs(n.resident.spec.ID)
	conn, err := n.host.ListenPacket(netip.AddrPortFrom(v4, node.PortCoAPS))
	if err != nil {
		return err
	}
	if n.coap, err = cfg.CoAP.NewServer(conn, n.resident.spec.Name, clients, cfg.Logger); err != nil {
		return err
	}
	n.serving.Go(func() { n.ended(n.coap.Serve()) })
	return nil
}
