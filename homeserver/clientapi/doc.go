// Package clientapi serves the client-server API of an embedded homeserver: it turns requests into calls of
// package homeserver and their results into the specification's JSON.
//
// One table of routes serves all servers of the process; a server's own share of its [Handler] is a pointer.
// Nothing here waits on anything but contexts and timers, so it runs in virtual time.
//
// Limits: no rate limits; no media, no end-to-end encryption keys beyond empty answers, no push gateways, and
// typing notifications, receipts and presence stay on this server.
package clientapi
