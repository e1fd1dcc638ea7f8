package store

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// explain says in one sentence what went wrong with the database and what to do.
func explain(file string, err error) error {
	failure, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return err
	}
	remedy := "what was not written is still in memory and is tried again"
	switch failure.Code() & 0xff { // the rest is detail
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fmt.Errorf("%s is in use by another meshsim: end that one, or name another directory with --data", file)
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("the disk with %s is full: make room; %s", file, remedy)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		return fmt.Errorf("%s cannot be written (%w): make it and its directory writable, or name another directory with --data", file, err)
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%s is damaged or no database (%w): put a copy back, or move it away to begin anew; it was not changed", file, err)
	case sqlite3.SQLITE_IOERR:
		return fmt.Errorf("%s cannot be read or written (%w): look after its disk; %s", file, err, remedy)
	}
	return fmt.Errorf("%s: %w", file, err)
}
