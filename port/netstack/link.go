package netstack

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"sync"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"meshsim/fabric"
)

// maxSuperpacket is the size limit of a superpacket, headers included: the total length field of IPv4 has 16 bits.
const maxSuperpacket = 1<<16 - 1

// linkEndpoint is the stack's one interface. Outgoing packets are copied once, out of gVisor's reference-counted
// views into a buffer of the fabric, and go to the host whose address is their source.
type linkEndpoint struct {
	mtu     uint32
	network map[tcpip.NetworkProtocolNumber]stack.NetworkEndpoint // set once, before the first host
	meters  meters

	mu         sync.RWMutex // guards what follows
	dispatcher stack.NetworkDispatcher
	senders    map[tcpip.Address]fabric.Sender
}

var (
	_ stack.LinkEndpoint = (*linkEndpoint)(nil)
	_ stack.GSOEndpoint  = (*linkEndpoint)(nil)
)

func newLinkEndpoint(mtu int) *linkEndpoint {
	return &linkEndpoint{mtu: uint32(mtu), senders: make(map[tcpip.Address]fabric.Sender)}
}

// bindNetwork looks up the network protocols' ends on this interface.
func (l *linkEndpoint) bindNetwork(ip *stack.Stack) error {
	l.network = make(map[tcpip.NetworkProtocolNumber]stack.NetworkEndpoint, 2)
	for _, protocol := range []tcpip.NetworkProtocolNumber{ipv4.ProtocolNumber, ipv6.ProtocolNumber} {
		endpoint, err := ip.GetNetworkEndpoint(nicID, protocol)
		if err != nil {
			return fmt.Errorf("network protocol %#x: %s", protocol, err)
		}
		l.network[protocol] = endpoint
	}
	return nil
}

// addSender makes packets from addrs leave through sender.
func (l *linkEndpoint) addSender(addrs []netip.Addr, sender fabric.Sender) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range addrs {
		l.senders[toAddress(a)] = sender
	}
}

// removeSender undoes addSender.
func (l *linkEndpoint) removeSender(addrs []netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range addrs {
		delete(l.senders, toAddress(a))
	}
}

// WritePackets implements stack.LinkWriter.
func (l *linkEndpoint) WritePackets(list stack.PacketBufferList) (int, tcpip.Error) {
	var one [1]fabric.Packet
	sent := 0
	for _, pkt := range list.AsSlice() {
		l.mu.RLock()
		sender := l.senders[pkt.EgressRoute.LocalAddress]
		l.mu.RUnlock()
		if sender == nil {
			return sent, &tcpip.ErrClosedForSend{}
		}
		one[0] = toPacket(pkt)
		l.meters.sentPacket(one[0])
		sender.Send(one[:])
		sent++
	}
	return sent, nil
}

// toPacket copies a packet for the fabric and completes its checksum unless it is a superpacket, whose segments
// get theirs when it is cut.
func toPacket(pkt *stack.PacketBuffer) fabric.Packet {
	data := fabric.Alloc(pkt.Size())
	views, skip := pkt.AsViewList()
	n := 0
	for v := views.Front(); v != nil; v = v.Next() {
		part := v.AsSlice()
		if skip >= len(part) {
			skip -= len(part)
			continue
		}
		n += copy(data[n:], part[skip:])
		skip = 0
	}
	p := fabric.Packet{Data: data[:n]}
	gso := pkt.GSOOptions
	if gso.Type == stack.GSONone || !gso.NeedsCsum {
		return p
	}
	transport := len(pkt.NetworkHeader().Slice())
	payload := n - transport - len(pkt.TransportHeader().Slice())
	if payload > int(gso.MSS) {
		p.SegmentSize = gso.MSS
		return p
	}
	// The field holds the sum of the pseudo-header (RFC 9293 section 3.1); summing over it completes it.
	sum := checksum.Checksum(p.Data[transport:], 0)
	binary.BigEndian.PutUint16(p.Data[transport+header.TCPChecksumOffset:], ^sum)
	return p
}

// deliver hands a packet that came from the fabric to the stack and frees it.
func (l *linkEndpoint) deliver(p fabric.Packet) {
	protocol, ok := protocolOfPacket(p.Data)
	if !ok {
		fabric.Free(p.Data)
		return
	}
	l.meters.receivedPacket(p)
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(p.Data)})
	defer pkt.DecRef()
	fabric.Free(p.Data)
	if p.SegmentSize != 0 {
		// A superpacket was never cut, so it never had a checksum to check. Only this side of the interface knows.
		pkt.RXChecksumValidated = true
		l.network[protocol].HandlePacket(pkt)
		return
	}
	l.mu.RLock()
	dispatcher := l.dispatcher
	l.mu.RUnlock()
	if dispatcher != nil {
		dispatcher.DeliverNetworkPacket(protocol, pkt)
	}
}

// protocolOfPacket reads the version field of an IP header.
func protocolOfPacket(data []byte) (tcpip.NetworkProtocolNumber, bool) {
	switch header.IPVersion(data) {
	case header.IPv4Version:
		return ipv4.ProtocolNumber, true
	case header.IPv6Version:
		return ipv6.ProtocolNumber, true
	default:
		return 0, false
	}
}

// Attach implements stack.LinkEndpoint.
func (l *linkEndpoint) Attach(dispatcher stack.NetworkDispatcher) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dispatcher = dispatcher
}

// IsAttached implements stack.LinkEndpoint.
func (l *linkEndpoint) IsAttached() bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.dispatcher != nil
}

// GSOMaxSize implements stack.GSOEndpoint.
func (*linkEndpoint) GSOMaxSize() uint32 { return maxSuperpacket }

// SupportedGSO implements stack.GSOEndpoint.
func (*linkEndpoint) SupportedGSO() stack.SupportedGSO { return stack.HostGSOSupported }

// MTU implements stack.LinkEndpoint.
func (l *linkEndpoint) MTU() uint32 { return l.mtu }

// Capabilities implements stack.LinkEndpoint. Received checksums are verified: links may corrupt packets.
func (*linkEndpoint) Capabilities() stack.LinkEndpointCapabilities { return stack.CapabilityNone }

// ARPHardwareType implements stack.LinkEndpoint: packets are bare IP.
func (*linkEndpoint) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareNone }

// The rest of stack.LinkEndpoint: there is no link layer, no goroutine, and the MTU is fixed.

func (*linkEndpoint) SetMTU(uint32)                        {}
func (*linkEndpoint) MaxHeaderLength() uint16              { return 0 }
func (*linkEndpoint) LinkAddress() tcpip.LinkAddress       { return "" }
func (*linkEndpoint) SetLinkAddress(tcpip.LinkAddress)     {}
func (*linkEndpoint) Wait()                                {}
func (*linkEndpoint) AddHeader(*stack.PacketBuffer)        {}
func (*linkEndpoint) ParseHeader(*stack.PacketBuffer) bool { return true }
func (*linkEndpoint) Close()                               {}
func (*linkEndpoint) SetOnCloseAction(func())              {}
