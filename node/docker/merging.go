//go:build linux

package docker

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"meshsim/node"
)

// Merging has the kernel find equal pages of memory in servers and keep each once (kernel samepage merging). Servers ask for
// it themselves as they start, through the launcher. While at least one driver of any process uses it the kernel's switches are
// set; they are put back when the last one is closed, and where that process was killed by the next one or Clean. It is safe
// for concurrent use.
type Merging struct {
	directory string // of the kernel's switches
	memory    string // file that remembers what they were

	mu    sync.Mutex // guards what follows
	users int
}

// Places of the kernel's switches (Documentation/admin-guide/mm/ksm.rst) and of the memory of what they were, which a
// reboot forgets as it forgets the switches.
const (
	ksmDirectory = "/sys/kernel/mm/ksm"
	ksmMemory    = "/run/meshsim-ksm.json"
)

// switches are what is set, in this order: a scan of 100 MB takes a few seconds of a tenth of a processor.
var switches = []struct{ name, value string }{
	{"pages_to_scan", "1000"},
	{"sleep_millisecs", "20"},
	{"run", "1"},
}

// NewMerging makes it, and fails with a sentence where this machine cannot do it. It sets nothing.
func NewMerging() (*Merging, error) {
	m := &Merging{directory: ksmDirectory, memory: ksmMemory}
	return m, m.check()
}

// check tells why the machine cannot merge memory.
func (m *Merging) check() error {
	const prGetMemoryMerge = 68 // linux/prctl.h
	run, err := os.OpenFile(filepath.Join(m.directory, "run"), os.O_WRONLY, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("--ksm: this kernel was built without samepage merging (CONFIG_KSM): leave --ksm out")
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("--ksm: the kernel's switches in %s may not be set: run meshsim as root, or leave --ksm out", m.directory)
	case err != nil:
		return fmt.Errorf("--ksm: %w", err)
	}
	run.Close()
	if _, err := unix.PrctlRetInt(prGetMemoryMerge, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("--ksm: this kernel does not merge the memory of a process that asks for it, Linux 6.4 does: leave --ksm out (%w)", err)
	}
	return nil
}

// remembered is what the switches were before anybody set them, and the processes that want them set, each once for every
// Merging that does. It is empty where nobody has.
type remembered struct {
	Owners   []owner           `json:"owners"`
	Switches map[string]string `json:"switches"`
}

// acquire sets the switches for one more user.
func (m *Merging) acquire() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.users == 0 {
		if err := m.set(); err != nil {
			return fmt.Errorf("--ksm: %w", err)
		}
	}
	m.users++
	return nil
}

// release ends one use.
func (m *Merging) release() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.users--
	if m.users > 0 {
		return nil
	}
	return m.putBack()
}

// set notes what the switches are, and sets them. Where other processes that run have done so they are left as they are.
func (m *Merging) set() error {
	return m.locked(func(r *remembered) error {
		others := len(r.Owners) > 0
		if r.Switches == nil {
			var err error
			if r.Switches, err = m.current(); err != nil {
				return err
			}
		}
		r.Owners = append(r.Owners, self())
		if err := m.keep(r); err != nil || others {
			return err
		}
		for _, s := range switches {
			if err := m.write(s.name, s.value); err != nil {
				return errors.Join(err, m.apply(r))
			}
		}
		return nil
	})
}

// putBack ends one use of this process; the last one of all puts the switches back as they were.
func (m *Merging) putBack() error {
	return m.locked(func(r *remembered) error {
		if i := slices.Index(r.Owners, self()); i >= 0 {
			r.Owners = slices.Delete(r.Owners, i, i+1)
		}
		return m.settle(r)
	})
}

// restore puts back what processes that no longer run have set.
func (m *Merging) restore() error { return m.locked(m.settle) }

// settle puts the switches back where nobody wants them set any more.
func (m *Merging) settle(r *remembered) error {
	switch {
	case r.Switches == nil:
		return nil
	case len(r.Owners) == 0:
		return m.apply(r)
	default:
		return m.keep(r)
	}
}

// locked calls f with what is remembered of processes that run, while no other process does. The lock is the switches'
// directory's, so that nothing is left of it.
func (m *Merging) locked(f func(*remembered) error) error {
	lock, err := os.Open(m.directory)
	if errors.Is(err, fs.ErrNotExist) { // a kernel without the switches: nobody can have set them
		return f(new(remembered))
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return os.NewSyscallError("flock", err)
	}
	r, err := m.read()
	if err != nil {
		return err
	}
	r.Owners = slices.DeleteFunc(r.Owners, func(o owner) bool { return !o.alive() })
	return f(r)
}

// current reads the switches.
func (m *Merging) current() (map[string]string, error) {
	values := make(map[string]string)
	for _, s := range switches {
		value, err := os.ReadFile(filepath.Join(m.directory, s.name))
		if err != nil {
			return nil, err
		}
		values[s.name] = string(bytes.TrimSpace(value))
	}
	return values, nil
}

func (m *Merging) write(name, value string) error {
	return os.WriteFile(filepath.Join(m.directory, name), []byte(value), 0o644)
}

// read returns what is remembered.
func (m *Merging) read() (*remembered, error) {
	r := new(remembered)
	text, err := os.ReadFile(m.memory)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s, which remembers the kernel's switches, is damaged: remove it (%w)", m.memory, err)
	}
	return r, nil
}

// keep remembers, whole or not at all.
func (m *Merging) keep(r *remembered) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	fresh := m.memory + ".new"
	if err := os.WriteFile(fresh, text, 0o644); err != nil {
		return err
	}
	return os.Rename(fresh, m.memory)
}

// apply puts the switches back and forgets what they were.
func (m *Merging) apply(r *remembered) error {
	var errs []error
	for _, s := range switches {
		if value, ok := r.Switches[s.name]; ok {
			errs = append(errs, m.write(s.name, value))
		}
	}
	return errors.Join(append(errs, os.Remove(m.memory))...)
}

// Savings asks the kernel.
func (m *Merging) Savings() (node.MemorySavings, error) {
	sharing, err := m.number("pages_sharing")
	if err != nil {
		return node.MemorySavings{}, err
	}
	profit, err := m.number("general_profit")
	return node.MemorySavings{Saved: sharing * int64(os.Getpagesize()), Profit: profit}, err
}

func (m *Merging) number(name string) (int64, error) {
	text, err := os.ReadFile(filepath.Join(m.directory, name))
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
}

// merged is how much of a process's memory is one with equal pages, in bytes; nil where the kernel does not tell.
func merged(pid int) *int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/ksm_merging_pages", pid))
	if err != nil {
		return nil
	}
	pages, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return nil
	}
	size := pages * int64(os.Getpagesize())
	return &size
}
