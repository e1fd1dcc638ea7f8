//go:build linux

package docker

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fakeKernel is a Merging on switches of the test's own.
func fakeKernel(t *testing.T) *Merging {
	t.Helper()
	m := &Merging{directory: t.TempDir(), memory: filepath.Join(t.TempDir(), "memory.json")}
	for name, value := range stock {
		if err := m.write(name, value+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

var stock = map[string]string{"run": "0", "pages_to_scan": "100", "sleep_millisecs": "20"}

func (m *Merging) now(t *testing.T) map[string]string {
	t.Helper()
	values := make(map[string]string)
	for name := range stock {
		text, err := os.ReadFile(filepath.Join(m.directory, name))
		if err != nil {
			t.Fatal(err)
		}
		values[name] = strings.TrimSpace(string(text))
	}
	return values
}

// The switches are set while somebody uses them, and put back as they were.
func TestSwitchesArePutBack(t *testing.T) {
	m := fakeKernel(t)
	for range 2 {
		if err := m.acquire(); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.release(); err != nil {
		t.Fatal(err)
	}
	if got := m.now(t); got["run"] != "1" || got["pages_to_scan"] != "1000" {
		t.Errorf("while they are used: %v", got)
	}
	if err := m.release(); err != nil {
		t.Fatal(err)
	}
	if got := m.now(t); !maps.Equal(got, stock) {
		t.Errorf("afterwards: %v, want %v", got, stock)
	}
	if _, err := os.Stat(m.memory); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the memory of the switches is left: %v", err)
	}
}

// What a process that was killed has set is put back by the next one; what one that runs has set is left to it.
func TestSwitchesOfOtherProcesses(t *testing.T) {
	others := map[string]string{"run": "1", "pages_to_scan": "7", "sleep_millisecs": "7"}
	parent := ownerOf(os.Getppid())
	for _, c := range []struct {
		slug   string
		owners []owner
		during map[string]string // while the next one wants them
		after  map[string]string // when it has ended
	}{
		{"killed", []owner{"1-1"}, map[string]string{"run": "1", "pages_to_scan": "1000", "sleep_millisecs": "20"}, stock},
		{"runs", []owner{parent}, others, others},
		{"one-of-two-runs", []owner{"1-1", parent}, others, others},
	} {
		t.Run(c.slug, func(t *testing.T) {
			m := fakeKernel(t)
			if err := m.keep(&remembered{Owners: c.owners, Switches: stock}); err != nil {
				t.Fatal(err)
			}
			for name, value := range others {
				if err := m.write(name, value); err != nil {
					t.Fatal(err)
				}
			}
			if err := m.acquire(); err != nil {
				t.Fatal(err)
			}
			if got := m.now(t); !maps.Equal(got, c.during) {
				t.Errorf("meanwhile: %v, want %v", got, c.during)
			}
			if err := m.release(); err != nil {
				t.Fatal(err)
			}
			if got := m.now(t); !maps.Equal(got, c.after) {
				t.Errorf("afterwards: %v, want %v", got, c.after)
			}
		})
	}
}

// Of several processes the last one puts the switches back, whichever began.
func TestTheLastProcessPutsSwitchesBack(t *testing.T) {
	first := fakeKernel(t)
	second := &Merging{directory: first.directory, memory: first.memory}
	for _, m := range []*Merging{first, second} {
		if err := m.acquire(); err != nil {
			t.Fatal(err)
		}
	}
	if err := first.release(); err != nil {
		t.Fatal(err)
	}
	if got := second.now(t); got["run"] != "1" || got["pages_to_scan"] != "1000" {
		t.Errorf("while the second uses them: %v", got)
	}
	if err := second.release(); err != nil {
		t.Fatal(err)
	}
	if got := second.now(t); !maps.Equal(got, stock) {
		t.Errorf("afterwards: %v, want %v", got, stock)
	}
}

func TestMergingIsRefusedWithARemedy(t *testing.T) {
	m := &Merging{directory: filepath.Join(t.TempDir(), "none")}
	if err := m.check(); err == nil || err.Error() != "--ksm: this kernel was built without samepage merging (CONFIG_KSM): leave --ksm out" {
		t.Errorf("error %v", err)
	}
	if _, err := launcherFor("mips"); err == nil || !strings.Contains(err.Error(), `the image is for "mips"`) {
		t.Errorf("error %v", err)
	}
}

// The launchers are what scripts/launcher makes of their source.
func TestLaunchersAreUpToDate(t *testing.T) {
	directory := t.TempDir()
	script, err := filepath.Abs("../../scripts/launcher")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(script, directory).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, arch := range []string{"amd64", "arm64"} {
		embedded, err := launcherFor(arch)
		if err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(filepath.Join(directory, "launcher-"+arch+".gz"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		unpacked, err := gzip.NewReader(file)
		if err != nil {
			t.Fatal(err)
		}
		if built, err := io.ReadAll(unpacked); err != nil || !bytes.Equal(built, embedded) {
			t.Errorf("the launcher for %s is not what its source makes (%v): run scripts/launcher", arch, err)
		}
	}
}

// Docker's own profile stays, and one value of one call is allowed besides.
func TestSeccompProfile(t *testing.T) {
	text, err := seccompProfile()
	if err != nil {
		t.Fatal(err)
	}
	var p struct {
		DefaultAction string `json:"defaultAction"`
		Syscalls      []struct {
			Names []string `json:"names"`
			Args  []struct {
				Value uint64 `json:"value"`
			} `json:"args"`
		} `json:"syscalls"`
	}
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		t.Fatal(err)
	}
	last := p.Syscalls[len(p.Syscalls)-1]
	if p.DefaultAction != "SCMP_ACT_ERRNO" || len(p.Syscalls) < 10 || strings.Join(last.Names, " ") != "personality" ||
		len(last.Args) != 1 || last.Args[0].Value != 0x40000 {
		t.Errorf("the default is %s, the last of %d rules %+v", p.DefaultAction, len(p.Syscalls), last)
	}
}
