package store

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"meshsim/homeserver"
	"meshsim/matrix/event"
)

// File is the name of the database in its directory.
const File = "homeservers.db"

// DB is the database of one mesh. It is safe for concurrent use.
//
//	Open -> (Server, Forget) -> Close
type DB struct {
	file string

	mu      sync.Mutex              // guards what follows
	next    *batch                  // what is written next
	waiting int                     // bytes that are recorded and not kept
	bound   int                     // on waiting, while the database cannot be written
	refuses bool                    // since the database was last written
	counted map[*event.PDU]struct{} // in waiting, while the database cannot be written
	failure error                   // why the latest batch was not written; nil when it was
	closing bool

	wake    chan struct{} // holds a value when there is something to do
	written chan struct{} // closed when the writer has ended

	log  *slog.Logger
	disk disk
}

// maxWaiting bounds what is held in memory while the database cannot be written, in bytes.
const maxWaiting = 64 << 20

// disk is the connection to SQLite and what is known of its content. One user at a time holds mu.
type disk struct {
	mu         sync.Mutex
	file       string
	pool       *sql.DB
	conn       *sql.Conn
	statements statements
	numbers    map[[sha256.Size]byte]int64 // of events that were lately written or looked for
	forgot     bool                        // servers were forgotten: there may be events that nobody has
}

// batch is what is written in one transaction. kept is valid when done is closed.
type batch struct {
	changes []change
	bytes   int // about what the changes take
	done    chan struct{}
	db      *DB
	kept    bool // DB.mu guards it
}

// change is a homeserver.Change of a server. One without a kind forgets the server.
type change struct {
	server int64
	homeserver.Change
}

func (db *DB) newBatch() *batch { return &batch{done: make(chan struct{}), db: db} }

// retry is how long the writer waits after a failure, unless there is something new to write.
const retry = time.Second

// Open opens the database in a directory, making both where they do not exist. Errors are sentences for the user. log is
// told when the database cannot be written, and when it can again; nil discards.
func Open(dir string, log *slog.Logger) (*DB, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("the directory for the homeservers' data cannot be made: %w: name another one with --data", err)
	}
	file := filepath.Join(dir, File)
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	db := &DB{file: file, bound: maxWaiting, counted: map[*event.PDU]struct{}{}, log: log, wake: make(chan struct{}, 1), written: make(chan struct{})}
	db.next = db.newBatch()
	if err := db.disk.open(file); err != nil {
		return nil, err
	}
	go db.write()
	return db, nil
}

func (d *disk) open(file string) (err error) {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600) // holds passwords and keys
	if err != nil {
		return fmt.Errorf("the homeservers' data cannot be written: %w: make it writable, or name another directory with --data", err)
	}
	f.Close()
	d.file, d.numbers = file, map[[sha256.Size]byte]int64{}
	if d.pool, err = sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: url.PathEscape(file)}).String()); err != nil {
		return err
	}
	if d.conn, err = d.pool.Conn(context.Background()); err == nil {
		err = prepare(context.Background(), d.conn, file)
	}
	if err == nil {
		err = d.statements.prepare(d.conn)
	}
	if err != nil {
		return errors.Join(explain(file, err), d.close())
	}
	return nil
}

// close releases the file.
func (d *disk) close() error {
	errs := d.statements.close() // or SQLite keeps the file open
	if d.conn != nil {
		errs = append(errs, d.conn.Close())
	}
	if d.pool != nil {
		errs = append(errs, d.pool.Close())
	}
	return errors.Join(errs...)
}

// Close writes what is left and closes the database. An error says what could not be written. Nothing may be recorded
// after it. It is idempotent.
func (db *DB) Close() error {
	db.mu.Lock()
	again := db.closing
	db.closing = true
	db.mu.Unlock()
	db.rouse()
	<-db.written
	if again {
		return nil
	}
	db.mu.Lock()
	failure := db.failure
	db.mu.Unlock()
	db.disk.mu.Lock()
	defer db.disk.mu.Unlock()
	if failure == nil && db.disk.forgot {
		failure = db.disk.sweep()
	}
	return errors.Join(failure, db.disk.close())
}

func (db *DB) rouse() {
	select {
	case db.wake <- struct{}{}:
	default:
	}
}

// Server returns the store of a server, which has a fresh signing key where nothing is kept of it.
func (db *DB) Server(name string) (*Server, error) {
	d := &db.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	s := &Server{db: db, name: name}
	var seed []byte
	err := d.conn.QueryRowContext(context.Background(), "SELECT num, seed FROM servers WHERE name = ?", name).Scan(&s.num, &seed)
	if errors.Is(err, sql.ErrNoRows) {
		seed = make([]byte, ed25519.SeedSize)
		rand.Read(seed) // never fails (crypto/rand)
		err = d.conn.QueryRowContext(context.Background(), "INSERT INTO servers(name, seed) VALUES (?, ?) RETURNING num", name, seed).Scan(&s.num)
	}
	if err != nil {
		return nil, explain(db.file, err)
	}
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("the signing key of %s in %s is damaged: put a copy of the file back, or move it away to begin anew", name, db.file)
	}
	s.key = ed25519.NewKeyFromSeed(seed)
	return s, nil
}

// Forget removes what is kept of a server, which is not used any more.
func (db *DB) Forget(name string) error {
	d := &db.disk
	d.mu.Lock()
	var num int64
	err := d.conn.QueryRowContext(context.Background(), "SELECT num FROM servers WHERE name = ?", name).Scan(&num)
	d.mu.Unlock()
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return explain(db.file, err)
	}
	forget := &Server{db: db, name: name, num: num}
	forget.Record(homeserver.Change{})
	return forget.Durable(context.Background())
}
