package api

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"meshsim/link"
	"meshsim/node"
	"meshsim/port/probe"
)

// PingReply is the answer to one echo request, or that there was none.
type PingReply struct {
	Seq     int      `json:"seq" doc:"Of the request, from 1."`
	Outcome string   `json:"outcome" enum:"reply,ttl_exceeded,unreachable,too_big,lost,error"`
	From    string   `json:"from,omitempty" doc:"The address that answered."`
	Name    string   `json:"name,omitempty" doc:"The server that it belongs to."`
	Server  *int     `json:"server,omitempty" doc:"The id of that server."`
	RTTMS   *float64 `json:"rtt_ms,omitempty"`
	Error   string   `json:"error,omitempty" doc:"Of the outcome error, which ends the answers."`
}

// TraceHop is what the nodes that are so many links away have answered.
type TraceHop struct {
	TTL     int         `json:"ttl"`
	Replies []PingReply `json:"replies"`
	Error   string      `json:"error,omitempty" doc:"What ended the trace before its time."`
}

// ProbeTarget says who is asked. It is exported because huma looks into no other embedded structs.
type ProbeTarget struct {
	ID        int     `path:"id" minimum:"0" maximum:"8388605" doc:"Id of the server that asks."`
	To        int     `query:"to" required:"true" minimum:"0" maximum:"8388605" doc:"Id of the server that is asked."`
	Family    string  `query:"family" enum:"ipv4,ipv6" default:"ipv4" doc:"Of the addresses."`
	Size      int     `query:"size" minimum:"0" maximum:"1400" default:"56" doc:"Bytes of data in each request."`
	TimeoutMS float64 `query:"timeout_ms" minimum:"0" maximum:"86400000" doc:"After so long a request is lost; absent follows from the path."`
}

type pingGet struct {
	ProbeTarget
	Count      int     `query:"count" minimum:"1" maximum:"100000" default:"4"`
	IntervalMS float64 `query:"interval_ms" minimum:"10" maximum:"86400000" default:"1000" doc:"Between two requests."`
}

type traceGet struct {
	ProbeTarget
	MaxHops int `query:"max_hops" minimum:"1" maximum:"255" default:"64"`
	Queries int `query:"queries" minimum:"1" maximum:"10" default:"3" doc:"Requests for each hop."`
}

func (v *v1) registerProbes(api huma.API) {
	const tag = "servers"
	huma.Register(api, streaming[PingReply](api, operation("ping", http.MethodGet, "/servers/{id}/ping", tag, "Ping one server from another",
		"Real ICMP echo requests cross the mesh. Lines of JSON, one for each answer as it comes.")), v.ping)
	huma.Register(api, streaming[TraceHop](api, operation("traceroute", http.MethodGet, "/servers/{id}/traceroute", tag,
		"The path from one server to another, hop by hop",
		"Real ICMP echo requests with a growing TTL cross the mesh. Lines of JSON, one for each hop as it is known.")), v.traceroute)
}

func (v *v1) ping(_ context.Context, in *pingGet) (*huma.StreamResponse, error) {
	conn, to, err := v.openProbe(&in.ProbeTarget)
	if err != nil {
		return nil, problemOf(err)
	}
	asked := probe.PingConfig{To: to, Count: in.Count, Interval: duration(in.IntervalMS), Timeout: v.patience(&in.ProbeTarget), Size: in.Size}
	return v.probeLines(conn, func(ctx context.Context, out *lineWriter) error {
		err := probe.Ping(ctx, conn, asked, func(r probe.Reply) error { return out.write(v.reply(r)) })
		if err != nil {
			return out.write(PingReply{Outcome: "error", Error: err.Error()})
		}
		return nil
	})
}

func (v *v1) traceroute(_ context.Context, in *traceGet) (*huma.StreamResponse, error) {
	conn, to, err := v.openProbe(&in.ProbeTarget)
	if err != nil {
		return nil, problemOf(err)
	}
	asked := probe.TraceConfig{To: to, MaxHops: in.MaxHops, Queries: in.Queries, Timeout: v.patience(&in.ProbeTarget), Size: in.Size}
	return v.probeLines(conn, func(ctx context.Context, out *lineWriter) error {
		err := probe.Trace(ctx, conn, asked, func(h probe.Hop) error { return out.write(v.hop(h)) })
		if err != nil {
			return out.write(TraceHop{Error: err.Error()})
		}
		return nil
	})
}

// probeLines is lines for somebody who holds a socket.
func (v *v1) probeLines(conn probe.Conn, write func(context.Context, *lineWriter) error) (*huma.StreamResponse, error) {
	response, err := v.lines(write)
	if err != nil {
		conn.Close()
		return nil, err
	}
	body := response.Body
	response.Body = func(ctx huma.Context) {
		defer conn.Close() // write never has it where the reader is gone already
		body(ctx)
	}
	return response, nil
}

// openProbe opens a socket where the questions come from, and says where they go.
func (v *v1) openProbe(in *ProbeTarget) (probe.Conn, netip.Addr, error) {
	if _, err := v.find(in.To); err != nil {
		return nil, netip.Addr{}, err
	}
	prober, err := power[node.Prober](v, in.ID, "sockets for ping and traceroute")
	if err != nil {
		return nil, netip.Addr{}, err
	}
	local, to := address(in.ID, in.Family), address(in.To, in.Family)
	conn, err := prober.OpenICMP(local)
	return conn, to, err
}

func address(id int, family string) netip.Addr {
	v4, v6 := node.Addrs(id)
	if family == "ipv6" {
		return v6
	}
	return v4
}

// headers is the length of what stands before the data of an echo request over IPv6, the longer of the two.
const headers = 40 + 8

// patience is how long an answer may take: what was asked for, or what the path in force makes likely, with room for
// queues (CONTRACTS.md: never a constant that assumes a fast link).
func (v *v1) patience(in *ProbeTarget) time.Duration {
	const least = 2 * time.Second
	if in.TimeoutMS > 0 {
		return duration(in.TimeoutMS)
	}
	path, ok := v.mesh.Path(in.ID, in.To)
	if !ok {
		return least
	}
	wait := least + 2*path.RTT
	if path.Rate != link.Unlimited {
		bits := float64(8 * (in.Size + headers))
		crossings := 2 * path.Hops
		const queued = 4 // as many packets of others before each of ours
		wait += time.Duration(queued * float64(crossings) * bits / float64(path.Rate) * float64(time.Second))
	}
	return wait
}

func (v *v1) hop(h probe.Hop) TraceHop {
	hop := TraceHop{TTL: h.TTL, Replies: make([]PingReply, len(h.Replies))}
	for i, r := range h.Replies {
		hop.Replies[i] = v.reply(r)
	}
	return hop
}

func (v *v1) reply(r probe.Reply) PingReply {
	reply := PingReply{Seq: r.Seq, Outcome: string(r.Outcome)}
	if !r.From.IsValid() {
		return reply
	}
	reply.From = r.From.String()
	rtt := milliseconds(r.RTT)
	reply.RTTMS = &rtt
	if id, ok := node.IDOf(r.From); ok {
		reply.Server = &id
		reply.Name, _ = v.mesh.NameOf(id)
	}
	return reply
}
