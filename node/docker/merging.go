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
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"meshsim/node"
)

// Merging has the kernel find equal pages of memory in servers and keep each once (kernel samepage merging). Servers ask for
// it themselves as they start, through the launcher. While at least one driver uses it the kernel's switches are set; they
// are put back when the last one is closed, and where the process was killed by the next one or Clean. It is safe for
// concurrent use.
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

// remembered is what the switches were before a process set them.
type remembered struct {
	Owner    owner             `json:"owner"`
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

// set notes what the switches are and sets them. Where another process has done so and runs, they are left as they are, and
// left to it.
func (m *Merging) set() error {
	if err := m.restore(); err != nil {
		return err
	}
	r := remembered{Owner: self(), Switches: make(map[string]string)}
	for _, s := range switches {
		value, err := os.ReadFile(filepath.Join(m.directory, s.name))
		if err != nil {
			return err
		}
		r.Switches[s.name] = string(bytes.TrimSpace(value))
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	// O_EXCL: two processes that start at the same time must not both take the switches for as they were.
	file, err := os.OpenFile(m.memory, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	for _, s := range switches {
		if err := m.write(s.name, s.value); err != nil {
			return errors.Join(err, m.putBack())
		}
	}
	return nil
}

func (m *Merging) write(name, value string) error {
	return os.WriteFile(filepath.Join(m.directory, name), []byte(value), 0o644)
}

// read returns what is remembered, nil where nothing is.
func (m *Merging) read() (*remembered, error) {
	text, err := os.ReadFile(m.memory)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r := new(remembered)
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s, which remembers the kernel's switches, is damaged: remove it (%w)", m.memory, err)
	}
	return r, nil
}

// restore puts back what a process that no longer runs has set.
func (m *Merging) restore() error {
	r, err := m.read()
	if r == nil || err != nil || r.Owner.alive() {
		return err
	}
	return m.apply(r)
}

// putBack puts back what this process has set.
func (m *Merging) putBack() error {
	r, err := m.read()
	if r == nil || err != nil || r.Owner != self() {
		return err
	}
	return m.apply(r)
}

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
