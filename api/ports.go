package api

// clientPorts are the TCP ports on the host through which clients reach servers.
type clientPorts struct{}

func (p *clientPorts) of(id int) (port int, reason string) { return 0, "" }
