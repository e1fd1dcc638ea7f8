package api

import (
	"meshsim/mesh"
	"meshsim/node"
)

// view shows the mesh's own types as the wire's.
type view struct {
	authority string // under which clients reach servers: NAME.authority
	ports     *clientPorts
	coap      CoAPPorts
}

func (v view) server(s mesh.Server) Server {
	v4, v6 := node.Addrs(s.ID)
	port, portError := v.ports.of(s.ID)
	return Server{
		ID:              s.ID,
		Name:            s.Name,
		Kind:            s.Kind,
		X:               s.X,
		Y:               s.Y,
		State:           string(s.State),
		Reason:          s.Reason,
		Log:             s.LogTail,
		Gateway:         string(s.Gateway),
		Unseen:          s.Unseen,
		ClientURL:       "http://" + s.Name + "." + v.authority,
		ClientPort:      port,
		ClientPortError: portError,
		CoAPURL:         v.coap.url(s.ID),
		IPv4:            v4.String(),
		IPv6:            v6.String(),
	}
}

func (v view) servers(list []mesh.Server) []Server {
	shown := make([]Server, len(list))
	for i, s := range list {
		shown[i] = v.server(s)
	}
	return shown
}
