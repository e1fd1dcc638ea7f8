package embedded

import (
	"fmt"
	"net/http"
	"net/netip"

	"meshsim/lowband/msc3079"
	"meshsim/lowband/records"
	"meshsim/node"
)

// CoAP says how servers offer MSC3079 to clients. The zero CoAP offers nothing.
type CoAP struct {
	FirstPort int           // of server 0 on the host, which /_matrix/client/versions tells
	PSKs      []records.PSK // that clients may have
	Insecure  bool          // no encryption, for experiments
}

// listenCoAP serves clients over CoAP too, where the mesh has it.
func (n *running) listenCoAP(clients http.Handler) error {
	cfg := n.resident.driver.cfg.CoAP
	if cfg.FirstPort == 0 {
		return nil
	}
	v4, _ := node.Addrs(n.resident.spec.ID)
	conn, err := n.host.ListenPacket(netip.AddrPortFrom(v4, node.PortCoAPS))
	if err != nil {
		return err
	}
	n.coap, err = msc3079.NewServer(msc3079.ServerConfig{
		Records: records.Config{Conn: conn, PSKs: cfg.PSKs, Insecure: cfg.Insecure},
		Handler: clients,
		Name:    n.resident.spec.Name,
		Logger:  n.resident.driver.cfg.Logger,
	})
	if err != nil {
		conn.Close()
		return fmt.Errorf("CoAP for clients: %w", err)
	}
	n.serving.Go(func() { n.ended(n.coap.Serve()) })
	return nil
}

// advertised tells clients of the CoAP port, where there is one.
func (n *running) advertised(clients http.Handler) http.Handler {
	first := n.resident.driver.cfg.CoAP.FirstPort
	if first == 0 {
		return clients
	}
	return msc3079.Advertise(clients, first+n.resident.spec.ID)
}
