package netstack

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"meshsim/fabric"
)

// backlog is how many connections may wait to be accepted, as Linux's default for somaxconn.
const backlog = 4096

// DialContext connects to address from the host's address of the same family. Networks are tcp, tcp4, tcp6, udp,
// udp4 and udp6. It gives up when ctx ends; without a deadline a connection attempt lasts 20 minutes, because links
// may be that slow. Failures are *net.OpError around a syscall.Errno where the kernel's would be.
func (h *Host) DialContext(ctx context.Context, network string, address netip.AddrPort) (net.Conn, error) {
	switch network {
	case "tcp", "tcp4", "tcp6":
		return h.dialTCP(ctx, address)
	case "udp", "udp4", "udp6":
		return h.DialUDP(address)
	default:
		return nil, &net.OpError{Op: "dial", Net: network, Err: net.UnknownNetworkError(network)}
	}
}

func (h *Host) dialTCP(ctx context.Context, address netip.AddrPort) (net.Conn, error) {
	fail := func(err error) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(address), Err: err}
	}
	local, err := h.local(address.Addr())
	if err != nil {
		return fail(err)
	}
	if err := ctx.Err(); err != nil {
		return fail(err)
	}
	var queue waiter.Queue
	endpoint, tcpErr := h.stack.ip.NewEndpoint(tcp.ProtocolNumber, protocolOf(local), &queue)
	if tcpErr != nil {
		return fail(toError(tcpErr))
	}
	entry, writable := waiter.NewChannelEntry(waiter.WritableEvents)
	queue.EventRegister(&entry)
	defer queue.EventUnregister(&entry)
	counted, forget, tcpErr := h.bind(endpoint, local, address)
	if tcpErr == nil {
		tcpErr = connect(ctx, endpoint, address, writable)
	}
	if tcpErr != nil {
		forget()
		endpoint.Close()
		if err := ctx.Err(); err != nil {
			return fail(err)
		}
		return fail(toError(tcpErr))
	}
	tuneConn(endpoint)
	return &meteredConn{TCPConn: gonet.NewTCPConn(&queue, endpoint), meter: counted, forget: forget}, nil
}

// bind gives endpoint an address and a port, and counts the packets between these and to until forget is called.
func (h *Host) bind(endpoint tcpip.Endpoint, local netip.Addr, to netip.AddrPort) (counted *meter, forget func(), err tcpip.Error) {
	forget = func() {}
	if err := endpoint.Bind(toFull(netip.AddrPortFrom(local, 0))); err != nil {
		return nil, forget, err
	}
	bound, err := endpoint.GetLocalAddress()
	if err != nil {
		return nil, forget, err
	}
	counted, forget = h.stack.link.meters.add(flow{local: netip.AddrPortFrom(local, bound.Port), remote: to})
	return counted, forget, nil
}

// connect connects endpoint and waits for the outcome or the end of ctx.
func connect(ctx context.Context, endpoint tcpip.Endpoint, to netip.AddrPort, writable <-chan struct{}) tcpip.Error {
	err := endpoint.Connect(toFull(to))
	if _, started := err.(*tcpip.ErrConnectStarted); !started {
		return err
	}
	select {
	case <-ctx.Done():
		return &tcpip.ErrAborted{}
	case <-writable:
		return endpoint.LastError()
	}
}

// Listen accepts TCP connections to addresses of the host, IPv4 and IPv6 alike, with one listener. Port 0 picks a
// free port for each address.
func (h *Host) Listen(addresses ...netip.AddrPort) (net.Listener, error) {
	l := &listener{}
	for _, a := range addresses {
		if err := h.listen(l, a); err != nil {
			l.Close()
			return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: net.TCPAddrFromAddrPort(a), Err: toError(err)}
		}
	}
	if len(l.sockets) == 0 {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Err: syscall.EDESTADDRREQ}
	}
	return l, nil
}

// listen adds a socket to l.
func (h *Host) listen(l *listener, address netip.AddrPort) tcpip.Error {
	queue := new(waiter.Queue)
	endpoint, err := h.stack.ip.NewEndpoint(tcp.ProtocolNumber, protocolOf(address.Addr()), queue)
	if err != nil {
		return err
	}
	l.sockets = append(l.sockets, socket{endpoint: endpoint, queue: queue})
	if err := endpoint.Bind(toFull(address)); err != nil {
		return err
	}
	return endpoint.Listen(backlog)
}

// ListenPacket receives UDP datagrams for one of the host's addresses; port 0 picks a free one.
func (h *Host) ListenPacket(address netip.AddrPort) (net.PacketConn, error) {
	local := toFull(address)
	conn, err := gonet.DialUDP(h.stack.ip, &local, nil, protocolOf(address.Addr()))
	if err != nil {
		return nil, err
	}
	return &datagrams{conn}, nil
}

// datagrams is a socket whose end is net.ErrClosed, as it is in package net, also where its stack was closed.
type datagrams struct{ *gonet.UDPConn }

// ReadFrom implements net.PacketConn.
func (d *datagrams) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := d.UDPConn.ReadFrom(b)
	if errors.Is(err, io.EOF) {
		err = net.ErrClosed
	}
	return n, from, err
}

// DialUDP returns a socket for datagrams to and from address alone.
func (h *Host) DialUDP(address netip.AddrPort) (net.Conn, error) {
	addr, err := h.local(address.Addr())
	if err != nil {
		return nil, err
	}
	local, remote := toFull(netip.AddrPortFrom(addr, 0)), toFull(address)
	return gonet.DialUDP(h.stack.ip, &local, &remote, protocolOf(addr))
}

// listener is a net.Listener over one or more listening sockets.
type listener struct{ sockets []socket }

type socket struct {
	endpoint tcpip.Endpoint
	queue    *waiter.Queue
}

// Accept implements net.Listener. Its error is net.ErrClosed once the listener or its host is closed.
func (l *listener) Accept() (net.Conn, error) {
	readable := make(chan struct{}, 1)
	for _, s := range l.sockets {
		entry := waiter.NewFunctionEntry(waiter.ReadableEvents|waiter.EventHUp, func(waiter.EventMask) {
			select {
			case readable <- struct{}{}:
			default:
			}
		})
		s.queue.EventRegister(&entry)
		defer s.queue.EventUnregister(&entry)
	}
	for {
		conn, err := l.next()
		if conn != nil || err != nil {
			return conn, err
		}
		<-readable
	}
}

// next accepts a connection that waits, and returns nil where there is none.
func (l *listener) next() (net.Conn, error) {
	for _, s := range l.sockets {
		endpoint, queue, err := s.endpoint.Accept(nil)
		switch err.(type) {
		case nil:
			tuneConn(endpoint)
			return gonet.NewTCPConn(queue, endpoint), nil
		case *tcpip.ErrWouldBlock:
		case *tcpip.ErrInvalidEndpointState:
			return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
		default:
			return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: toError(err)}
		}
	}
	return nil, nil
}

// Close implements net.Listener.
func (l *listener) Close() error {
	for _, s := range l.sockets {
		s.endpoint.Close()
	}
	return nil
}

// Addr implements net.Listener: the first address.
func (l *listener) Addr() net.Addr {
	full, err := l.sockets[0].endpoint.GetLocalAddress()
	if err != nil {
		return &net.TCPAddr{}
	}
	return &net.TCPAddr{IP: full.Addr.AsSlice(), Port: int(full.Port)}
}

// toError translates what callers may ask about with errors.Is; other errors keep gVisor's text.
func toError(err tcpip.Error) error {
	switch err.(type) {
	case *tcpip.ErrConnectionRefused:
		return syscall.ECONNREFUSED
	case *tcpip.ErrConnectionReset:
		return syscall.ECONNRESET
	case *tcpip.ErrNetworkUnreachable:
		return syscall.ENETUNREACH
	case *tcpip.ErrHostUnreachable:
		return syscall.EHOSTUNREACH
	case *tcpip.ErrTimeout:
		return syscall.ETIMEDOUT
	case *tcpip.ErrPortInUse:
		return syscall.EADDRINUSE
	case *tcpip.ErrBadLocalAddress:
		return syscall.EADDRNOTAVAIL
	default:
		return errors.New(err.String())
	}
}

var _ fabric.Port = (*Host)(nil)
