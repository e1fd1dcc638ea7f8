package tun

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Where the kernel keeps the congestion control of new connections, one for each namespace, and the names that it knows now.
const (
	congestionPath = "/proc/sys/net/ipv4/tcp_congestion_control"
	availablePath  = "/proc/sys/net/ipv4/tcp_available_congestion_control"
)

// defaultCongestion is Linux's own default, and what in-process stacks have (RFC 9438).
const defaultCongestion = "cubic"

// CheckCongestion tells whether connections in a namespace can have a congestion control, in one sentence with the remedy
// if not. It is nil where namespaces cannot be made, too, which Attach then says.
func CheckCongestion(name string) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends, and its namespace with it
		if unix.Unshare(unix.CLONE_NEWNET) != nil {
			done <- nil
			return
		}
		done <- setCongestion(name)
	}()
	return <-done
}

// setCongestion says what new connections have in the namespace of the calling thread; "" is the default, or what the
// machine has where its kernel has no such.
func setCongestion(name string) error {
	if name == "" {
		_ = os.WriteFile(congestionPath, []byte(defaultCongestion), 0)
		return nil
	}
	err := os.WriteFile(congestionPath, []byte(name), 0)
	switch {
	case errors.Is(err, unix.ENOENT):
		available, _ := os.ReadFile(availablePath)
		return fmt.Errorf("this kernel has no TCP congestion control %q, only %s: name one of these, or load it with modprobe tcp_%s",
			name, strings.Join(strings.Fields(string(available)), ", "), name)
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("this kernel does not let containers choose the TCP congestion control %q: "+
			"add it to the names in the machine's sysctl net.ipv4.tcp_allowed_congestion_control", name)
	case err != nil:
		return fmt.Errorf("set the TCP congestion control %q: %w", name, err)
	}
	return nil
}
