//go:build linux

package docker

import (
	"bytes"
	"compress/gzip"
	"context"
	_ "embed" // the launchers
	"encoding/json"
	"fmt"
	"io"
	"path"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// The launcher for the architectures of images, built by scripts/launcher.
var (
	//go:embed launcher/launcher-amd64.gz
	launcherAMD64 []byte
	//go:embed launcher/launcher-arm64.gz
	launcherARM64 []byte
)

// launcherFile is the name of the launcher in the data directory.
const launcherFile = "mesh-launcher"

// launcherFor returns the launcher for an architecture.
func launcherFor(architecture string) ([]byte, error) {
	packed := map[string][]byte{"amd64": launcherAMD64, "arm64": launcherARM64}[architecture]
	if packed == nil {
		return nil, fmt.Errorf("--ksm: the image is for %q, and meshsim has launchers for amd64 and arm64: leave --ksm out", architecture)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// launching is how the processes of an image are started so that their memory can be merged.
type launching struct {
	binary  []byte
	command []string // the image's own
	profile string   // of seccomp, JSON
}

// prepareLaunching looks at the image.
func (e *engine) prepareLaunching(ctx context.Context, image string) (*launching, error) {
	inspected, err := e.api.ImageInspect(ctx, image)
	if err != nil {
		return nil, e.explain(err)
	}
	l := new(launching)
	if l.binary, err = launcherFor(inspected.Architecture); err != nil {
		return nil, err
	}
	if c := inspected.Config; c != nil {
		l.command = append(append(l.command, c.Entrypoint...), c.Cmd...)
	}
	l.profile, err = seccompProfile()
	return l, err
}

// seccompProfile is Docker's own but for one thing: a process may leave its addresses as they are.
func seccompProfile() (string, error) {
	const addrNoRandomize = 0x0040000 // linux/personality.h
	p := seccomp.DefaultProfile()
	p.Syscalls = append(p.Syscalls, &seccomp.Syscall{LinuxSyscall: specs.LinuxSyscall{
		Names:  []string{"personality"},
		Action: specs.ActAllow,
		Args:   []specs.LinuxSeccompArg{{Index: 0, Value: addrNoRandomize, Op: specs.OpEqualTo}},
	}})
	text, err := json.Marshal(p)
	return string(text), err
}

// apply has a container's process started by the launcher.
func (l *launching) apply(o *order) {
	if len(o.command) == 0 {
		o.command = l.command
	}
	o.command = append([]string{path.Join(o.data, launcherFile)}, o.command...)
	o.files[launcherFile] = l.binary
	o.seccomp = l.profile
}
