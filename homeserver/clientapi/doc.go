// Package clientapi serves the client-server API of an embedded homeserver: it turns requests into calls of
// package homeserver and their results into the specification's JSON.
//
// One table of routes serves all servers of the process; a server's own share of its [Handler] is a pointer.
// Nothing here waits on anything but contexts and timers, so it runs in virtual time.
//
// Limits: no rate limits, no guests, no push gateways (push rules decide about unread counts, which are not kept apart by
// thread), no third-party identifiers, no previews of URLs, no sliding sync, no reports. A search goes through the logs of
// the user's rooms. Whoever upgrades a room leaves it to its members to follow.
package clientapi
