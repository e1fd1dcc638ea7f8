package proxy

import (
	"net/http"
	"net/url"

	"meshsim/lowband/msc3079"
)

// NewStandardNear makes the side of the clients for a server of MSC3079, ours or another. It starts nothing.
func NewStandardNear(c msc3079.ClientConfig) (*Near, error) {
	client, err := msc3079.NewClient(c)
	if err != nil {
		return nil, err
	}
	return &Near{endpoint: client}, nil
}

// NewStandardFar makes the side of a homeserver for clients of MSC3079, ours or others. c.Handler and c.Name are set here;
// port is where clients reach it, for the answer of /_matrix/client/versions. It starts nothing.
func NewStandardFar(c msc3079.ServerConfig, target *url.URL, transport http.RoundTripper, port int) (*Far, error) {
	f := &Far{}
	c.Handler = msc3079.Advertise(f.passOn(target, transport), port)
	c.Name = target.Host
	server, err := msc3079.NewServer(c)
	if err != nil {
		return nil, err
	}
	f.endpoint = server
	return f, nil
}
