package tun

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// needs are the capabilities without which no device is made in a namespace that another process made (capabilities(7)).
var needs = []struct {
	bit  int
	name string
}{
	{unix.CAP_NET_ADMIN, "NET_ADMIN"},   // to make and configure the device
	{unix.CAP_SYS_PTRACE, "SYS_PTRACE"}, // to find the namespace of another user's process
	{unix.CAP_SYS_ADMIN, "SYS_ADMIN"},   // to enter it
}

// Check tells whether this process may make devices in the namespaces of others: a sentence that says what is missing and
// what to do, or nil.
func Check() error {
	fd, err := openDevice(devicePath)
	if err != nil {
		return err
	}
	unix.Close(fd)
	effective, err := capabilities()
	if err != nil {
		return err
	}
	return checkCapabilities(effective)
}

// capabilities returns those in effect for the calling thread, as a set of bits.
func capabilities() (uint64, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return 0, fmt.Errorf("tun: the kernel does not tell this process's capabilities: %w", err)
	}
	return uint64(data[1].Effective)<<32 | uint64(data[0].Effective), nil
}

// checkCapabilities says which of the needed ones are not in a set.
func checkCapabilities(effective uint64) error {
	var missing []string
	for _, n := range needs {
		if effective&(1<<n.bit) == 0 {
			missing = append(missing, n.name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	what := "the capability "
	if len(missing) > 1 {
		what = "the capabilities "
	}
	return fmt.Errorf("meshsim lacks %s, without which it cannot put containers on the mesh: run it as root, give its program "+
		"what it needs with setcap '%s+ep', or the container that it runs in with --cap-add (docs/presets.md)",
		what+strings.Join(missing, ", "), fileCapabilities)
}

// fileCapabilities are all that are of use, as setcap(8) wants them: those that are needed, one to ping from a server, and
// one to end the shells in it.
const fileCapabilities = "cap_net_admin,cap_sys_admin,cap_sys_ptrace,cap_net_raw,cap_kill"
