//go:build linux

package docker

import (
	"strings"
	"testing"
)

// Why a server has ended is said by what is known of it: its status, its last words, and what was asked for.
func TestWhyDied(t *testing.T) {
	for _, c := range []struct {
		slug  string
		end   ending
		asked bool
		words string
		want  string
	}{
		{"killed-as-asked", ending{code: 137}, true, "busy", "hs0 was killed, as asked: Start brings it back with its data"},
		{"killed-from-outside", ending{code: 137}, false, "busy", "hs0 was killed (signal 9) from outside meshsim, "},
		{"memory", ending{code: 137, oom: true}, true, "busy", "hs0 died: its memory limit was reached"},
		{"ended-by-itself-though-asked", ending{code: 1}, true, "busy", "hs0 died: its process ended with status 1"},
		{"disk-full", ending{code: 1}, false, "OSError: [Errno 28] No space left on device\nends", "hs0 died: the disk that it writes to is full: make room"},
		{"disk-full-sqlite", ending{code: 1}, false, "sqlite3.OperationalError: database or disk is full", "hs0 died: the disk that it writes to is full: make room"},
		{"disk-full-postgres", ending{code: 1}, false, "psycopg2.errors.DiskFull: could not extend file: No space left on device",
			"hs0 died: the disk of the Postgres of --postgres is full: make room there"},
		{"disk-full-postgres-code", ending{code: 1}, false, "ERROR: could not extend file (SQLSTATE 53100)", "hs0 died: the disk of the Postgres"},
		{"a-port", ending{code: 1}, false, "from 10.0.0.1:53100", "hs0 died: its process ended with status 1"},
	} {
		t.Run(c.slug, func(t *testing.T) {
			if got := whyDied("hs0", c.end, c.asked, strings.Split(c.words, "\n")); !strings.HasPrefix(got, c.want) {
				t.Errorf("%s\nwant %s", got, c.want)
			}
		})
	}
}
