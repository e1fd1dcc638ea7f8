// Package resolver answers DNS for a homeserver in a network namespace: the names of the mesh have their mesh
// addresses, the addresses have names, and nothing else exists.
//
// Everything is answered at once and from memory. That matters more than it seems: a homeserver that gets no answer
// waits 10 s and fails, where one that is told that there is no SRV record goes on to port 8448.
package resolver

import (
	"context"
	"net"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// Names are the names of the mesh. It is safe for concurrent use and does not block.
type Names interface {
	// Addrs returns the addresses of a name, none where nobody has it.
	Addrs(name string) []netip.Addr
	// NameOf returns the name of an address.
	NameOf(addr netip.Addr) (string, bool)
}

// ttl is how long answers may be kept: not at all, as servers come and go.
const ttl = 0

// Serve answers the queries that come over UDP and TCP until ctx ends, and closes both. It returns the first error that
// was not asked for.
func Serve(ctx context.Context, udp net.PacketConn, tcp net.Listener, names Names) error {
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, query *dns.Msg) {
		// A client that has gone cannot be told.
		_ = w.WriteMsg(Answer(query, names))
	})
	servers := []*dns.Server{{PacketConn: udp, Handler: handler}, {Listener: tcp, Handler: handler}}
	ended := make(chan error, len(servers))
	for _, s := range servers {
		go func() { ended <- s.ActivateAndServe() }()
	}
	var failed error
	select {
	case <-ctx.Done():
	case failed = <-ended:
		ended <- nil // counted below
	}
	udp.Close()
	tcp.Close()
	for range servers {
		<-ended
	}
	return failed
}

// Answer answers one query (RFC 1035).
func Answer(query *dns.Msg, names Names) *dns.Msg {
	reply := new(dns.Msg).SetReply(query)
	reply.Authoritative = true
	reply.RecursionAvailable = true // some resolvers complain without
	if len(query.Question) != 1 || query.Opcode != dns.OpcodeQuery {
		reply.Rcode = dns.RcodeNotImplemented
		return reply
	}
	q := query.Question[0]
	known := false
	if q.Qtype == dns.TypePTR {
		reply.Answer, known = pointer(q, names)
	} else {
		reply.Answer, known = addresses(q, names)
	}
	if !known {
		reply.Rcode = dns.RcodeNameError
	}
	return reply
}

// addresses answers for a name. It is known also where it has no record of the type that was asked for.
func addresses(q dns.Question, names Names) (answer []dns.RR, known bool) {
	addrs := names.Addrs(strings.ToLower(strings.TrimSuffix(q.Name, ".")))
	for _, a := range addrs {
		switch {
		case a.Is4() && q.Qtype == dns.TypeA:
			answer = append(answer, &dns.A{Hdr: header(q), A: a.AsSlice()})
		case a.Is6() && q.Qtype == dns.TypeAAAA:
			answer = append(answer, &dns.AAAA{Hdr: header(q), AAAA: a.AsSlice()})
		}
	}
	return answer, len(addrs) > 0
}

func pointer(q dns.Question, names Names) ([]dns.RR, bool) {
	addr, ok := reversed(q.Name)
	if !ok {
		return nil, false
	}
	name, ok := names.NameOf(addr)
	if !ok {
		return nil, false
	}
	return []dns.RR{&dns.PTR{Hdr: header(q), Ptr: dns.Fqdn(name)}}, true
}

func header(q dns.Question) dns.RR_Header {
	return dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: dns.ClassINET, Ttl: ttl}
}

// reversed reads the address out of the name that its reverse entry has (RFC 1035, 3.5; RFC 3596, 2.5).
func reversed(name string) (netip.Addr, bool) {
	labels := strings.Split(strings.ToLower(strings.TrimSuffix(name, ".")), ".")
	if len(labels) < 2 || labels[len(labels)-1] != "arpa" {
		return netip.Addr{}, false
	}
	digits := labels[:len(labels)-2]
	separator, group, want := ".", 1, 4
	if labels[len(labels)-2] == "ip6" {
		separator, group, want = ":", 4, 32
	} else if labels[len(labels)-2] != "in-addr" {
		return netip.Addr{}, false
	}
	if len(digits) != want {
		return netip.Addr{}, false
	}
	var text strings.Builder
	for i := range digits {
		if i > 0 && i%group == 0 {
			text.WriteString(separator)
		}
		text.WriteString(digits[len(digits)-1-i])
	}
	addr, err := netip.ParseAddr(text.String())
	return addr, err == nil
}
