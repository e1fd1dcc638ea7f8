package resolver_test

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"meshsim/gateway/resolver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// names is a mesh of one server.
type names struct{}

var addrs = []netip.Addr{netip.MustParseAddr("10.0.0.4"), netip.MustParseAddr("fd6d:6573:6873::4")}

func (names) Addrs(name string) []netip.Addr {
	if name != "hs3" {
		return nil
	}
	return addrs
}

func (names) NameOf(a netip.Addr) (string, bool) { return "hs3", slices.Contains(addrs, a) }

func TestAnswers(t *testing.T) {
	cases := []struct {
		name  string
		qtype uint16
		rcode int
		want  string // the data of the answers
	}{
		{"hs3.", dns.TypeA, dns.RcodeSuccess, "10.0.0.4"},
		{"HS3.", dns.TypeA, dns.RcodeSuccess, "10.0.0.4"},
		{"hs3.", dns.TypeAAAA, dns.RcodeSuccess, "fd6d:6573:6873::4"},
		{"hs3.", dns.TypeMX, dns.RcodeSuccess, ""},
		{"hs4.", dns.TypeA, dns.RcodeNameError, ""},
		{"matrix.org.", dns.TypeAAAA, dns.RcodeNameError, ""},
		{"_matrix-fed._tcp.hs3.", dns.TypeSRV, dns.RcodeNameError, ""},
		{"_matrix._tcp.hs3.", dns.TypeSRV, dns.RcodeNameError, ""},
		{"4.0.0.10.in-addr.arpa.", dns.TypePTR, dns.RcodeSuccess, "hs3."},
		{"5.0.0.10.in-addr.arpa.", dns.TypePTR, dns.RcodeNameError, ""},
		{"0.0.10.in-addr.arpa.", dns.TypePTR, dns.RcodeNameError, ""},
		{"x.0.0.10.in-addr.arpa.", dns.TypePTR, dns.RcodeNameError, ""},
		{"4.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.3.7.8.6.3.7.5.6.d.6.d.f.ip6.arpa.", dns.TypePTR, dns.RcodeSuccess, "hs3."},
		{"arpa.", dns.TypePTR, dns.RcodeNameError, ""},
		{".", dns.TypePTR, dns.RcodeNameError, ""},
		{"hs3.", dns.TypePTR, dns.RcodeNameError, ""},
	}
	for _, c := range cases {
		t.Run(c.name+dns.TypeToString[c.qtype], func(t *testing.T) {
			reply := resolver.Answer(new(dns.Msg).SetQuestion(c.name, c.qtype), names{})
			var got []string
			for _, rr := range reply.Answer {
				got = append(got, strings.TrimPrefix(rr.String(), rr.Header().String()))
			}
			if reply.Rcode != c.rcode || strings.Join(got, " ") != c.want {
				t.Errorf("%s %v, want %s %q", dns.RcodeToString[reply.Rcode], got, dns.RcodeToString[c.rcode], c.want)
			}
			if _, err := reply.Pack(); err != nil {
				t.Errorf("the answer cannot be sent: %v", err)
			}
		})
	}
}

func TestServes(t *testing.T) {
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- resolver.Serve(ctx, udp, tcp, names{}) }()
	for network, address := range map[string]string{"udp": udp.LocalAddr().String(), "tcp": tcp.Addr().String()} {
		client := dns.Client{Net: network}
		reply, _, err := client.ExchangeContext(ctx, new(dns.Msg).SetQuestion("hs3.", dns.TypeA), address)
		if err != nil || len(reply.Answer) != 1 {
			t.Errorf("%s: %v, %v", network, reply, err)
		}
	}
	end()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := udp.WriteTo(nil, udp.LocalAddr()); err == nil {
		t.Error("the socket is open after Serve")
	}
}

func FuzzAnswer(f *testing.F) {
	for _, name := range []string{"hs3.", "4.0.0.10.in-addr.arpa.", "1.ip6.arpa.", "."} {
		packed, err := new(dns.Msg).SetQuestion(name, dns.TypePTR).Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		query := new(dns.Msg)
		if query.Unpack(data) != nil {
			return
		}
		if reply := resolver.Answer(query, names{}); reply.Id != query.Id || !reply.Response {
			t.Errorf("%v is no answer to %v", reply, query)
		}
	})
}
