package tun

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Namespace is an open network namespace. It is safe for concurrent use until Close, which leaves the sockets that
// were made in it open.
type Namespace struct{ file *os.File }

// OpenNamespace opens the namespace of a process, seen from this process's PID namespace.
func OpenNamespace(pid int) (*Namespace, error) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return nil, fmt.Errorf("tun: open the network namespace of process %d: %w", pid, err)
	}
	return &Namespace{file: file}, nil
}

// Close gives the namespace up. It is idempotent.
func (n *Namespace) Close() error {
	if err := n.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

// Do calls f on a thread that is in the namespace. What f opens belongs to the namespace; goroutines that f starts
// are not in it.
func (n *Namespace) Do(f func() error) error {
	done := make(chan error, 1)
	go func() {
		// Never unlocked: the thread ends with the goroutine, because it is not fit for any other.
		runtime.LockOSThread()
		done <- n.enter(f)
	}()
	return <-done
}

func (n *Namespace) enter(f func() error) error {
	raw, err := n.file.SyscallConn()
	if err != nil {
		return err
	}
	var setns error
	if err := raw.Control(func(fd uintptr) { setns = unix.Setns(int(fd), unix.CLONE_NEWNET) }); err != nil {
		return fmt.Errorf("tun: the namespace is closed: %w", err)
	}
	if setns != nil {
		return enterError(setns)
	}
	return f()
}

// enterError says why a namespace was not entered. Root inside a container may lack the capability.
func enterError(err error) error {
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("tun: the network namespace may not be entered: run meshsim as root, or start the container that it runs in "+
			"with --privileged or --cap-add SYS_ADMIN (%w)", err)
	}
	return fmt.Errorf("tun: enter the network namespace: %w", err)
}

// Listen accepts TCP connections at an address inside the namespace.
func (n *Namespace) Listen(address netip.AddrPort) (ln net.Listener, err error) {
	err = n.Do(func() error {
		ln, err = net.Listen("tcp", address.String())
		return err
	})
	return ln, err
}

// ListenPacket receives UDP datagrams at an address inside the namespace.
func (n *Namespace) ListenPacket(address netip.AddrPort) (conn net.PacketConn, err error) {
	err = n.Do(func() error {
		conn, err = net.ListenPacket("udp", address.String())
		return err
	})
	return conn, err
}

// DialContext connects to address over TCP from inside the namespace. Only the socket is made there, so that a
// connection attempt, which may take minutes on a slow link, holds no thread. Errors are *net.OpError.
func (n *Namespace) DialContext(ctx context.Context, address netip.AddrPort) (net.Conn, error) {
	conn, err := n.dial(ctx, address)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(address), Err: err}
	}
	return conn, nil
}

func (n *Namespace) dial(ctx context.Context, address netip.AddrPort) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var socket *os.File
	err := n.Do(func() (err error) {
		socket, err = startConnecting(address)
		return err
	})
	if err != nil {
		return nil, err
	}
	defer socket.Close() // net.FileConn has its own descriptor
	if err := awaitConnected(ctx, socket); err != nil {
		return nil, err
	}
	return net.FileConn(socket)
}

// startConnecting makes a socket in the namespace of the calling thread and begins to connect it.
func startConnecting(address netip.AddrPort) (*os.File, error) {
	family, to := unix.AF_INET, unix.Sockaddr(&unix.SockaddrInet4{Port: int(address.Port()), Addr: as4(address.Addr())})
	if address.Addr().Is6() {
		family, to = unix.AF_INET6, &unix.SockaddrInet6{Port: int(address.Port()), Addr: address.Addr().As16()}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := unix.Connect(fd, to); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		unix.Close(fd)
		return nil, os.NewSyscallError("connect", err)
	}
	return os.NewFile(uintptr(fd), "socket"), nil
}

// as4 is the IPv4 address, and zero for any other.
func as4(a netip.Addr) (b [4]byte) {
	if a.Is4() {
		b = a.As4()
	}
	return b
}

// awaitConnected waits until socket is connected, refused, or ctx ends.
func awaitConnected(ctx context.Context, socket *os.File) error {
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	detach := context.AfterFunc(ctx, func() { _ = socket.SetWriteDeadline(time.Unix(1, 0)) })
	defer detach()
	var outcome error
	err = raw.Write(func(fd uintptr) bool {
		var over bool
		over, outcome = connected(int(fd))
		return over
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.Join(err, outcome)
}

// connected tells whether the attempt is over, and how.
func connected(fd int) (over bool, err error) {
	code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	switch {
	case err != nil:
		return true, os.NewSyscallError("getsockopt", err)
	case code != 0:
		return true, os.NewSyscallError("connect", unix.Errno(code))
	}
	if _, err := unix.Getpeername(fd); errors.Is(err, unix.ENOTCONN) {
		return false, nil
	}
	return true, nil
}
