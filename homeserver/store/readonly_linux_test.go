package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"meshsim/homeserver/store"
)

// TestReadOnly: a directory that cannot be written is refused in one sentence, whether there is a database in it or not.
func TestReadOnly(t *testing.T) {
	for slug, populate := range map[string]bool{"empty": false, "with-a-database": true} {
		t.Run(slug, func(t *testing.T) {
			dir := t.TempDir()
			if populate {
				m := newMesh(t, dir, "a")
				m.close()
				must(t, os.Chmod(filepath.Join(dir, store.File), 0o666)) // its journal still cannot be made
			}
			must(t, os.Chmod(filepath.Dir(dir), 0o755))
			must(t, os.Chmod(dir, 0o555))
			t.Cleanup(func() { must(t, os.Chmod(dir, 0o755)) })
			db, err := openAsAnybody(dir)
			if errors.Is(err, errStillRoot) {
				t.Skip("not tested:", err)
			}
			if err == nil {
				_ = db.Close()
				t.Fatal("it was opened")
			}
			if says := err.Error(); !strings.Contains(says, "name another directory with --data") || strings.Contains(says, "\n") {
				t.Errorf("it says %q", says)
			}
		})
	}
}

var errStillRoot = errors.New("this process is root's and cannot give up its rights")

// openAsAnybody opens a database with the rights of a user without any: root may write everything. It fails with
// errStillRoot where there is no such user, as in some containers.
func openAsAnybody(dir string) (*store.DB, error) {
	if os.Geteuid() != 0 {
		return store.Open(dir, nil)
	}
	type result struct {
		db  *store.DB
		err error
	}
	opened := make(chan result)
	go func() {
		runtime.LockOSThread() // the thread ends with the goroutine
		const nobody = 65534
		_, _, _ = syscall.RawSyscall(syscall.SYS_SETFSUID, nobody, 0, 0) // of this thread alone
		if now, _, _ := syscall.RawSyscall(syscall.SYS_SETFSUID, nobody, 0, 0); now != nobody {
			opened <- result{nil, errStillRoot}
			return
		}
		db, err := store.Open(dir, nil)
		opened <- result{db, err}
	}()
	r := <-opened
	return r.db, r.err
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
