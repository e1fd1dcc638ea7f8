package store

import (
	"context"
	"fmt"
)

// Limit bounds the database's size as a full disk does; 0 makes room again.
func (db *DB) Limit(more int) error {
	db.disk.mu.Lock()
	defer db.disk.mu.Unlock()
	ctx := context.Background()
	var pages int
	if err := db.disk.conn.QueryRowContext(ctx, "PRAGMA page_count").Scan(&pages); err != nil {
		return err
	}
	limit := pages + more
	if more == 0 {
		limit = 1 << 30
	}
	_, err := db.disk.conn.ExecContext(ctx, fmt.Sprintf("PRAGMA max_page_count = %d", limit))
	return err
}

// Bound sets how many bytes are held while the database cannot be written.
func (db *DB) Bound(bytes int) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.bound = bytes
}

// Waiting is how many bytes are held.
func (db *DB) Waiting() int {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.waiting
}

// Freeze keeps the files as they are until thaw is called.
func (db *DB) Freeze() (thaw func()) {
	db.disk.mu.Lock()
	return db.disk.mu.Unlock
}
