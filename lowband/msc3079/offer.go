package msc3079

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"meshsim/lowband/records"
)

// Offer says how the servers of a mesh are reached by MSC3079. The zero Offer offers nothing.
type Offer struct {
	FirstPort int           // of server 0 on the host, which /_matrix/client/versions tells; 0 offers nothing
	PSKs      []records.PSK // that clients may have
	Insecure  bool          // no encryption, for experiments
}

// Holds tells whether anything is offered.
func (o Offer) Holds() bool { return o.FirstPort != 0 }

// NewServer makes the server that carries out the offer for a homeserver, which clients answers for. It takes conn, also when
// it fails.
func (o Offer) NewServer(conn net.PacketConn, name string, clients http.Handler, logger *slog.Logger) (*Server, error) {
	s, err := NewServer(ServerConfig{
		Records: records.Config{Conn: conn, PSKs: o.PSKs, Insecure: o.Insecure}, Handler: clients, Name: name, Logger: logger,
	})
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("CoAP for clients: %w", err)
	}
	return s, nil
}

// Advertised tells clients of the port of server id, where there is one.
func (o Offer) Advertised(clients http.Handler, id int) http.Handler {
	if !o.Holds() {
		return clients
	}
	return Advertise(clients, o.FirstPort+id)
}
