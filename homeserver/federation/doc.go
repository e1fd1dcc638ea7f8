// Package federation is the server-server API of the embedded homeserver: requests to other servers
// ([Client]), their verify keys ([KeyRing]), the queues of events for them ([Sender]) and the handler of what
// they ask ([Handler]). [New] puts these together around a homeserver.Server.
//
// The package knows no network. Requests leave through an http.RoundTripper as https://SERVERNAME/_matrix/...
// and come in through an http.Handler; TLS, addresses and connections are the business of whoever gives the
// one and takes the other. Source: Matrix server-server specification.
package federation
