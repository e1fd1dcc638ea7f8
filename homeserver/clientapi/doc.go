// Package clientapi serves the client-server API of an embedded homeserver: it turns requests into calls of
// package homeserver and their results into the specification's JSON.
//
// One table of routes serves all servers of the process; a server's own share of its [Handler] is a pointer.
// Nothing here waits on anything but contexts and timers, so it runs in virtual time.
//
// Limits: no rate limits; no media, no end-to-end encryption keys beyond empty answers, no to-device messages,
// no knocking, threads, relations or search of messages, no push rules beside the predefined ones and so no
// unread counts. Typing notifications and receipts stay on this server; presence is accepted and forgotten.
package clientapi
