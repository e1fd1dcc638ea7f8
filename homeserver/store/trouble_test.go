package store_test

import (
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"meshsim/homeserver"
	"meshsim/homeserver/clientapi"
	"meshsim/homeserver/store"
)

// TestOpenRefuses: what cannot be used is refused in one sentence with a remedy, and left as it is.
func TestOpenRefuses(t *testing.T) {
	for slug, c := range map[string]struct {
		prepare func(t *testing.T, file string)
		says    string
	}{
		"newer": {func(t *testing.T, file string) { execute(t, file, "PRAGMA user_version = 7") }, "was made by a newer meshsim (its schema is 7, this one knows 1)"},
		"in-use": {func(t *testing.T, file string) {
			db, err := store.Open(filepath.Dir(file), nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = db.Close() })
		}, "is in use by another meshsim: end that one"},
		"of-another-program": {func(t *testing.T, file string) { execute(t, file, "PRAGMA application_id = 1") }, "is a database of another program"},
		"no-database":        {func(t *testing.T, file string) { write(t, file, strings.Repeat("this is a text\n", 1000)) }, "is damaged or no database"},
		"damaged": {func(t *testing.T, file string) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for i := 100; i < 4096; i++ {
				raw[i] = 0xff
			}
			write(t, file, string(raw))
		}, "is damaged or no database"},
		"a-directory": {func(t *testing.T, file string) {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(file, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "make it writable, or name another directory with --data"},
	} {
		t.Run(slug, func(t *testing.T) {
			dir := t.TempDir()
			m := newMesh(t, dir, "a")
			m.user("a", "alice")
			m.close()
			file := filepath.Join(dir, store.File)
			c.prepare(t, file)
			before, _ := os.ReadFile(file)
			db, err := store.Open(dir, nil)
			if err == nil {
				_ = db.Close()
				t.Fatal("it was opened")
			}
			if !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("it says %q, not %q", err, c.says)
			}
			if after, _ := os.ReadFile(file); string(before) != string(after) {
				t.Error("the file was changed")
			}
		})
	}
}

func TestOpenNeedsADirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "")
	if _, err := store.Open(file, nil); err == nil || !strings.Contains(err.Error(), "name another one with --data") {
		t.Errorf("a file in place of the directory: %v", err)
	}
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// execute runs a statement in a database that nobody has open.
func execute(t *testing.T, file, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

// TestDamagedEvent: an event that is not what was written is noticed, and the server is not made out of the rest.
func TestDamagedEvent(t *testing.T) {
	m := newMesh(t, t.TempDir(), "a")
	alice, _, _ := m.user("a", "alice")
	_, err := m.server("a").CreateRoom(t.Context(), homeserver.NewRoom{Creator: alice})
	m.must(err)
	m.close()
	execute(t, filepath.Join(m.dir, store.File), `UPDATE events SET json = replace(json, 'alice', 'mally') WHERE num = 2`)
	db, err := store.Open(m.dir, nil)
	m.must(err)
	defer db.Close()
	kept, err := db.Server("a")
	m.must(err)
	err = homeserver.New(homeserver.Config{Name: "a", KeyID: "ed25519:1", Key: kept.Key(), Store: kept}).Restore()
	if err == nil || !strings.Contains(err.Error(), "event 2 is not what was written") {
		t.Errorf("the damaged event: %v", err)
	}
}

// TestDiskFull: while the disk is full requests fail with the reason, and what they did is kept once there is room.
func TestDiskFull(t *testing.T) {
	m := newMesh(t, t.TempDir(), "a")
	alice, _, token := m.user("a", "alice")
	room, err := m.server("a").CreateRoom(t.Context(), homeserver.NewRoom{Creator: alice})
	m.must(err)
	m.must(m.server("a").Durable(t.Context()))
	api := clientapi.Handler(m.server("a"))
	m.must(m.db.Limit(4))
	n, refused := 0, ""
	for n = 1; refused == ""; n++ {
		if answer := put(api, room, token, n); answer.Code != http.StatusOK {
			refused = answer.Body.String()
			if answer.Code != http.StatusServiceUnavailable {
				t.Errorf("status %d", answer.Code)
			}
		}
	}
	if !strings.Contains(refused, "is full: make room") {
		t.Errorf("a full disk is said to be %s", refused)
	}
	m.must(m.db.Limit(0))
	if answer := put(api, room, token, n); answer.Code != http.StatusOK {
		t.Fatalf("with room again: %s", answer.Body)
	}
	r, _ := m.server("a").Room(room)
	events := len(r.Forward(0, 1<<40, 1<<20))
	m.restart("a")
	r, _ = m.server("a").Room(room)
	if again := len(r.Forward(0, 1<<40, 1<<20)); again != events {
		t.Errorf("of %d events %d are kept", events, again)
	}
}

// TestPileIsBounded: while the database cannot be written, no more is taken in than may be held in memory. Once there is
// room everything goes on, and all that was done is kept.
func TestPileIsBounded(t *testing.T) {
	const bound = 100_000
	h := newHousehold(t)
	var log lines
	h.log = slog.New(slog.NewTextHandler(&log, nil))
	h.restart("a", "b")
	h.must(h.server("a").Durable(t.Context()))
	h.must(h.server("b").Durable(t.Context()))
	h.transaction("0", h.mutter("a knows the keys of b"))
	late := h.mutter("from b")
	h.must(h.db.Limit(1))
	h.db.Bound(bound)
	message := fmt.Sprintf(`{"body":%q}`, strings.Repeat("x", 5000))
	refused := ""
	for n := 0; !strings.Contains(refused, "wait to be written"); n++ {
		answer := h.request("a", "PUT", fmt.Sprintf("/client/v3/rooms/%s/send/m.room.message/%d", h.room, n), message)
		if n > 1000 || answer.Code != http.StatusOK && (answer.Code != http.StatusServiceUnavailable || field(answer.Body.String(), "errcode") != "M_UNKNOWN") {
			t.Fatalf("message %d: %d %s", n, answer.Code, answer.Body)
		}
		refused = answer.Body.String()
	}
	if held := h.db.Waiting(); held < bound || held > 2*bound {
		t.Errorf("%d bytes are held, up to %d may be", held, bound)
	}
	r, _ := h.server("a").Room(h.room)
	before := r.Newest()
	if code, answer := h.deliver("1", late); code != http.StatusServiceUnavailable || !strings.Contains(answer, "M_UNKNOWN") {
		t.Errorf("a transaction is answered with %d %s", code, answer)
	}
	if r.Newest() != before {
		t.Error("the refused transaction was processed")
	}
	h.must(h.db.Limit(0))
	eventually(t, "it goes on", func() bool {
		return h.request("a", "PUT", "/client/v3/rooms/"+h.room+"/send/m.room.message/last", message).Code == http.StatusOK
	})
	h.transaction("1", late)
	eventually(t, "nothing is held when all is written", func() bool { return h.db.Waiting() == 0 }) // b takes in what a said
	for _, says := range []string{"cannot be written", "are refused until", "is written again"} {
		if n := strings.Count(log.String(), says); n != 1 {
			t.Errorf("the log says %q %d times:\n%s", says, n, &log)
		}
	}
	events := len(r.Forward(0, 1<<40, 1<<20))
	h.restart("a", "b")
	r, _ = h.server("a").Room(h.room)
	if again := len(r.Forward(0, 1<<40, 1<<20)); again != events {
		t.Errorf("of %d events %d are kept", events, again)
	}
}

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// TestForget: a server that is forgotten is new when it comes again, and events that nobody has are gone.
func TestForget(t *testing.T) {
	m := newMesh(t, t.TempDir(), "a", "b")
	alice, phone, _ := m.user("a", "alice")
	bob, _, _ := m.user("b", "bob")
	furnish(t, m, alice, bob, phone)
	first, err := m.db.Server("b")
	m.must(err)
	m.peers["b"].Close()
	m.must(m.db.Forget("b"))
	m.must(m.db.Forget("nobody"))
	m.peers["a"].Close()
	m.must(m.db.Forget("a"))
	second, err := m.db.Server("b")
	m.must(err)
	if first.Key().Equal(second.Key()) {
		t.Error("the forgotten server comes back with its key")
	}
	m.peers = nil
	m.must(m.db.Close())
	m.db = nil
	db, err := sql.Open("sqlite", filepath.Join(m.dir, store.File))
	m.must(err)
	defer db.Close()
	var events int
	m.must(db.QueryRow("SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM facts) + (SELECT count(*) FROM records)").Scan(&events))
	if events != 0 {
		t.Errorf("%d rows are left of servers that were forgotten", events)
	}
}

// TestRecordAfterClose: what comes too late is not said to be kept.
func TestRecordAfterClose(t *testing.T) {
	db, err := store.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := db.Server("a")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Close(), db.Close()); err != nil {
		t.Fatal(err)
	}
	kept.Record(homeserver.Kept("alias", "x", "y"))
	if err := kept.Durable(t.Context()); err == nil {
		t.Error("a closed database keeps what is recorded")
	}
}
