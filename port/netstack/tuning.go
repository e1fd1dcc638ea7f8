package netstack

import (
	"fmt"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// A link's default queue holds 10,000 bytes, which at 100 bit/s, the slowest rate the mesh allows, take 800 s to
// send. A time-out below that would send again what is still waiting, without end; giving up before such a queue has
// drained would end connections that work.
const (
	// maxRTO bounds the retransmission time-out (RFC 6298 section 2.5 asks for at least 60 s).
	maxRTO = 15 * time.Minute
	// maxRetries is how often one segment is sent again. With the time-out doubling from 200 ms to maxRTO it takes
	// 28 min at the least until a connection is given up (RFC 1122 section 4.2.3.5 asks for 100 s).
	maxRetries = 14
)

// clock is the stack's clock. It stretches the end of TCP's handshake: gVisor sends a SYN again after 1, 2, 4 ... 32 s
// and gives up 127 s after the first one, which cannot be set otherwise. Handshake timers are the only ones that are
// made with tcp.InitialRTO exactly.
type clock struct{ tcpip.Clock }

// AfterFunc implements tcpip.Clock.
func (c clock) AfterFunc(d time.Duration, f func()) tcpip.Timer {
	t := c.Clock.AfterFunc(d, f)
	if d == tcp.InitialRTO {
		return handshakeTimer{t}
	}
	return t
}

// handshakeTimer retransmits a SYN or SYN-ACK 1, 3, 7, 22, 82 and 322 s after the first one, and gives up after 20 min.
type handshakeTimer struct{ tcpip.Timer }

// Reset implements tcpip.Timer.
func (t handshakeTimer) Reset(d time.Duration) {
	switch d {
	case 8 * time.Second:
		d = 15 * time.Second
	case 16 * time.Second:
		d = time.Minute
	case 32 * time.Second:
		d = 4 * time.Minute
	case 64 * time.Second:
		d = maxRTO
	}
	t.Timer.Reset(d)
}

// Buffers are limits, not allocations: an idle connection holds none of them. They start small, so that a sender
// on a slow link does not fill a megabyte that takes a day to drain, and grow with the window.
const (
	minBuffer     = 4 << 10
	defaultBuffer = 256 << 10
	maxBuffer     = 6 << 20
)

// tuneTCP sets what differs from gVisor's defaults or must not change with them.
func tuneTCP(ip *stack.Stack) error {
	var (
		sack     = tcpip.TCPSACKEnabled(true)
		recovery = tcpip.TCPRACKLossDetection
		moderate = tcpip.TCPModerateReceiveBufferOption(true)
		rto      = tcpip.TCPMaxRTOOption(maxRTO)
		retries  = tcpip.TCPMaxRetriesOption(maxRetries)
		send     = tcpip.TCPSendBufferSizeRangeOption{Min: minBuffer, Default: defaultBuffer, Max: maxBuffer}
		receive  = tcpip.TCPReceiveBufferSizeRangeOption{Min: minBuffer, Default: defaultBuffer, Max: maxBuffer}
	)
	for _, option := range []tcpip.SettableTransportProtocolOption{
		&sack, &recovery, &moderate, &rto, &retries, &send, &receive,
	} {
		if err := ip.SetTransportProtocolOption(tcp.ProtocolNumber, option); err != nil {
			return fmt.Errorf("set TCP option %T: %s", option, err)
		}
	}
	return nil
}

// An end that has died without a word would be waited for without end. After half an hour of silence TCP asks, four
// times, each time as long apart as the slowest answer takes.
const (
	keepAliveIdle     = 30 * time.Minute
	keepAliveInterval = maxRTO
	keepAliveProbes   = 4
)

// tuneConn sets the options of one connection. They cannot fail: the values are in range.
func tuneConn(endpoint tcpip.Endpoint) {
	idle, interval := tcpip.KeepaliveIdleOption(keepAliveIdle), tcpip.KeepaliveIntervalOption(keepAliveInterval)
	_ = endpoint.SetSockOpt(&idle)
	_ = endpoint.SetSockOpt(&interval)
	_ = endpoint.SetSockOptInt(tcpip.KeepaliveCountOption, keepAliveProbes)
	endpoint.SocketOptions().SetKeepAlive(true)
}
