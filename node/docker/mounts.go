//go:build linux

package docker

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"
)

// mountForm says what a mount must be.
const mountForm = "it must be HOST-PATH:CONTAINER-PATH or HOST-PATH:CONTAINER-PATH:ro, both from the root"

// parseMount reads HOST-PATH:CONTAINER-PATH[:ro]. The engine refuses a source that is not there.
func parseMount(text string) (mount.Mount, error) {
	host, inside, _ := strings.Cut(text, ":")
	inside, mode, hasMode := strings.Cut(inside, ":")
	if !path.IsAbs(host) || !path.IsAbs(inside) || path.Clean(inside) == "/" || hasMode && mode != "ro" && mode != "rw" {
		return mount.Mount{}, errors.New(mountForm)
	}
	return mount.Mount{Type: mount.TypeBind, Source: host, Target: inside, ReadOnly: mode == "ro"}, nil
}

// parseMounts reads mounts that were checked.
func parseMounts(texts []string) ([]mount.Mount, error) {
	var all []mount.Mount
	for _, text := range texts {
		m, err := parseMount(text)
		if err != nil {
			return nil, fmt.Errorf("a mount is %q: %w", text, err)
		}
		all = append(all, m)
	}
	return all, nil
}

// CheckMount says what is wrong with a mount: its form, or that nothing is there to be mounted.
func CheckMount(text string) error {
	m, err := parseMount(text)
	if err != nil {
		if host, inside, ok := strings.Cut(text, ":"); ok && host != "" && !path.IsAbs(host) && path.IsAbs(inside) {
			if whole, failed := filepath.Abs(host); failed == nil {
				return fmt.Errorf("%w: write %s:%s", err, whole, inside)
			}
		}
		return err
	}
	if !engineIsHere() {
		return nil
	}
	if _, err := os.Stat(m.Source); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no %s on this machine: make it, or correct the path", m.Source)
	}
	return nil
}

// engineIsHere tells whether the engine sees the same files as this process, as far as can be known without asking it. A
// meshsim in a container sees the processes of the engine's machine (--pid host), but not its files.
func engineIsHere() bool {
	if host := os.Getenv(client.EnvOverrideHost); host != "" && !strings.HasPrefix(host, "unix://") {
		return false
	}
	own, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		return true
	}
	first, err := os.Readlink("/proc/1/ns/mnt")
	return err != nil || own == first
}
