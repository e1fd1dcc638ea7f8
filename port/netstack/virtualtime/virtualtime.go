// Package virtualtime runs tests that use network stacks in a testing/synctest bubble, where time passes only while
// everything waits: hours of a slow mesh take seconds.
//
// gVisor parks the goroutines of its TCP in a way that synctest does not count as waiting, so that time would stand
// still. The runtime keeps a table of what counts; [Test] changes one entry of it. The linker permits that only when
// it is asked to, so the tests that need it are built with
//
//	go test -tags virtualtime -ldflags=-checklinkname=0
//
// and are skipped otherwise. Ordinary builds contain nothing of it.
//
// Outcomes repeat in virtual time; traces of packets do not, because goroutines still run side by side.
package virtualtime
