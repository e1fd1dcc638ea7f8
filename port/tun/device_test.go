//go:build linux

package tun

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Where there is no device, what to do is said in one sentence.
func TestNoDevice(t *testing.T) {
	for _, c := range []struct{ slug, path, says string }{
		{"missing", filepath.Join(t.TempDir(), "tun"), "this machine has no TUN device: load the kernel's module with modprobe tun, or start the container"},
		{"something-else", t.TempDir(), "cannot be opened: "},
	} {
		t.Run(c.slug, func(t *testing.T) {
			fd, err := openDevice(c.path)
			if err == nil {
				unix.Close(fd)
			}
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), c.path) {
				t.Errorf("error %v, want %q in it", err, c.says)
			}
		})
	}
}

// A process without the rights is told which, and how to come by them.
func TestMissingCapabilities(t *testing.T) {
	const all = 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_SYS_PTRACE | 1<<unix.CAP_SYS_ADMIN
	for _, c := range []struct {
		slug      string
		effective uint64
		says      string // empty where nothing is missing
	}{
		{"all", all, ""},
		{"none", 1 << unix.CAP_CHOWN, "meshsim lacks the capabilities NET_ADMIN, SYS_PTRACE, SYS_ADMIN, without which"},
		{"one-missing", all &^ (1 << unix.CAP_SYS_ADMIN), "meshsim lacks the capability SYS_ADMIN, without which it cannot put containers on the mesh: " +
			"run it as root, give its program what it needs with setcap 'cap_net_admin,cap_sys_admin,"},
	} {
		t.Run(c.slug, func(t *testing.T) {
			err := checkCapabilities(c.effective)
			if (err == nil) != (c.says == "") || err != nil && !strings.HasPrefix(err.Error(), c.says) {
				t.Errorf("error %v, want %q", err, c.says)
			}
		})
	}
}

// Root in a container without the capability is told what is missing.
func TestNamespaceThatMayNotBeEntered(t *testing.T) {
	err := enterError(unix.EPERM)
	if !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "run meshsim as root") || !strings.Contains(err.Error(), "--cap-add SYS_ADMIN") {
		t.Errorf("error %q names no remedy", err)
	}
	if err := enterError(unix.EINVAL); strings.Contains(err.Error(), "SYS_ADMIN") {
		t.Errorf("error %q names a remedy for something else", err)
	}
}
