// Package clientapi serves the client-server API of an embedded homeserver: it turns requests into calls of
// package homeserver and their results into the specification's JSON.
//
// One table of routes serves all servers of the process; a server's own share of its [Handler] is a pointer.
// Nothing here waits on anything but contexts and timers, so it runs in virtual time.
//
// Besides the ordinary sync there is simplified sliding sync (MSC4186), under its unstable name; its connections live as
// long as the process.
//
// Limits: no rate limits, no guests, no push gateways (pushers are kept and shown, push rules decide about unread counts and
// notifications, neither of which is kept apart by thread), no third-party identifiers, no previews of URLs, nobody who reads
// reports. A search goes through the logs of the user's rooms. Whoever upgrades a room leaves it to its members to follow.
// The test TestEveryEndpoint lists which endpoints of the specification are not here, and why.
package clientapi
