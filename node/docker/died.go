//go:build linux

package docker

import (
	"fmt"
	"regexp"
	"slices"
)

// killedStatus is a process's that was ended by signal 9.
const killedStatus = 128 + 9

// What servers write when there is no room: C libraries and SQLite, and Postgres (SQLSTATE 53100, psycopg2's DiskFull).
var (
	saysDiskFull     = regexp.MustCompile(`(?i)no space left on device|database or disk is full`)
	saysPostgresFull = regexp.MustCompile(`SQLSTATE:? ?\(?53100|\(53100\)|\bDiskFull\b`)
)

// whyDied says in a sentence why a server has ended that nobody stopped, and what to do. asked is that its process was to be
// killed, and lastWords are its last lines.
func whyDied(server string, end ending, asked bool, lastWords []string) string {
	killed := end.reason == nil && !end.oom && end.code == killedStatus
	switch {
	case killed && asked:
		return server + " was killed, as asked: Start brings it back with its data"
	case slices.ContainsFunc(lastWords, saysPostgresFull.MatchString):
		return server + " died: the disk of the Postgres of --postgres is full: make room there, then Start brings it back with its data"
	case slices.ContainsFunc(lastWords, saysDiskFull.MatchString):
		return server + " died: the disk that it writes to is full: make room, e.g. with docker system prune, then Start brings it back with its data"
	case killed:
		return server + " was killed (signal 9) from outside meshsim, e.g. with docker kill or by the kernel for want of memory: " +
			"Start brings it back with its data"
	default:
		return fmt.Sprintf("%s died: %v", server, end)
	}
}
