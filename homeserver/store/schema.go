package store

import (
	"context"
	"database/sql"
	"fmt"
)

// schemaVersion is the version of the schema below, kept as the database's user_version.
const schemaVersion = 1

// applicationID marks the database as one of meshsim ("mesh"), so that no other file is taken for one.
const applicationID = 0x6d657368

// migrations lead from each version to the next; the first makes an empty database one of version 1.
var migrations = [schemaVersion]string{`
CREATE TABLE servers(
	num  INTEGER PRIMARY KEY,
	name TEXT NOT NULL UNIQUE, -- Matrix server name
	seed BLOB NOT NULL         -- of the signing key (RFC 8032)
);
CREATE TABLE events(
	num      INTEGER PRIMARY KEY,
	sum      BLOB NOT NULL UNIQUE, -- SHA-256 over all that follows
	version  TEXT NOT NULL,        -- of the room
	redacted INTEGER NOT NULL,     -- json is the redacted form
	json     BLOB NOT NULL         -- canonical
);
CREATE TABLE facts(
	num    INTEGER PRIMARY KEY,
	server INTEGER NOT NULL REFERENCES servers,
	room   TEXT NOT NULL,
	value  BLOB NOT NULL,
	events BLOB NOT NULL -- numbers, as varints
);
CREATE INDEX facts_of_server ON facts(server);
CREATE TABLE records(
	server INTEGER NOT NULL REFERENCES servers,
	kind   TEXT NOT NULL,
	key    TEXT NOT NULL,
	value  BLOB NOT NULL,
	events BLOB NOT NULL,
	PRIMARY KEY(server, kind, key)
) WITHOUT ROWID;`}

// prepare makes the database one of this version, or says why it cannot be.
func prepare(ctx context.Context, conn *sql.Conn, file string) error {
	// Nobody else may have the file open; a lock that is refused is refused at once.
	for _, pragma := range []string{"locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=NORMAL", "wal_autocheckpoint=4000", "cache_size=-8192"} {
		if _, err := conn.ExecContext(ctx, "PRAGMA "+pragma); err != nil {
			return explain(file, err)
		}
	}
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return explain(file, err)
	}
	if err := migrate(ctx, conn, file); err != nil {
		_, _ = conn.ExecContext(ctx, "ROLLBACK") // the first error says more
		return err
	}
	_, err := conn.ExecContext(ctx, "COMMIT")
	return explain(file, err)
}

func migrate(ctx context.Context, conn *sql.Conn, file string) error {
	var version, application, tables int
	for query, into := range map[string]*int{
		"PRAGMA user_version":                &version,
		"PRAGMA application_id":              &application,
		"SELECT count(*) FROM sqlite_schema": &tables,
	} {
		if err := conn.QueryRowContext(ctx, query).Scan(into); err != nil {
			return explain(file, err)
		}
	}
	if tables > 0 && application != applicationID {
		return fmt.Errorf("%s is a database of another program: name another directory with --data", file)
	}
	if version > schemaVersion {
		return fmt.Errorf("%s was made by a newer meshsim (its schema is %d, this one knows %d): use that meshsim, or name another directory with --data",
			file, version, schemaVersion)
	}
	if version == schemaVersion {
		return nil
	}
	for _, step := range migrations[version:] {
		if _, err := conn.ExecContext(ctx, step); err != nil {
			return explain(file, err)
		}
	}
	marks := fmt.Sprintf("PRAGMA application_id=%d; PRAGMA user_version=%d", applicationID, schemaVersion)
	_, err := conn.ExecContext(ctx, marks)
	return explain(file, err)
}
