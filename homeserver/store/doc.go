// Package store keeps what the homeservers of a mesh do in one SQLite database, so that it outlives the process.
//
// Servers record changes in memory ([Server.Record]); one goroutine writes all that came together in one transaction and
// wakes those who wait for it ([Server.Durable]). Changes of all servers are written in the order in which they were
// recorded, so whatever is in the database is a state that the whole mesh was in at one moment: no server knows of what
// another has forgotten.
//
// A committed transaction is in the operating system's hands: it survives the end of the process, kill -9 included. It
// is not forced onto the disk (WAL, synchronous=NORMAL), so a power cut may take the last seconds, for all servers the
// same seconds, and never damages the database.
//
// Events are immutable: each is kept once, however many servers have it. What else there is are facts, the history of
// each server's rooms, and records, each of which replaces the one of its kind and key. The package knows no kinds: see
// package homeserver, facts.go and kept.go.
//
// Nothing here runs in a testing/synctest bubble: a database waits for real files.
package store
