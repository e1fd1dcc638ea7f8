package netstack

import (
	"fmt"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// A link's default queue holds 10,000 bytes, which at 100 bit/s, the slowest rate the mesh allows, take 800 s to
// send. A time-out below that would send again what is still waiting, without end; giving up before two such queues
// have drained would end connections that work.
const (
	// maxRTO bounds the retransmission time-out (RFC 6298 section 2.5 asks for at least 60 s).
	maxRTO = 15 * time.Minute
	// maxRetries is how often one segment is sent again. With minRTO doubling to maxRTO it takes 28 min at the
	// least until a connection is given up (RFC 1122 section 4.2.3.5 asks for 100 s).
	maxRetries = 14
	// synRetries is how often a SYN or SYN-ACK is sent again: 1, 2, 4 ... 64 s apart, then every 120 s, which is
	// gVisor's fixed limit; 47 min together. Callers that want to know earlier say so with a context.
	synRetries = 30
)

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
		syn      = tcpip.TCPSynRetriesOption(synRetries)
		send     = tcpip.TCPSendBufferSizeRangeOption{Min: minBuffer, Default: defaultBuffer, Max: maxBuffer}
		receive  = tcpip.TCPReceiveBufferSizeRangeOption{Min: minBuffer, Default: defaultBuffer, Max: maxBuffer}
	)
	for _, option := range []tcpip.SettableTransportProtocolOption{
		&sack, &recovery, &moderate, &rto, &retries, &syn, &send, &receive,
	} {
		if err := ip.SetTransportProtocolOption(tcp.ProtocolNumber, option); err != nil {
			return fmt.Errorf("set TCP option %T: %s", option, err)
		}
	}
	return nil
}
