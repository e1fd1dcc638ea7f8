//go:build linux

package tun

import (
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
