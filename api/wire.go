// Package api is the HTTP interface of a running mesh: /api/v1 with its stream, the original's endpoints at
// the root, and clients' access to each server by host name.
//
// This file is the wire format of /api/v1. The OpenAPI document is generated from these types and the
// page's TypeScript types from that document. Numbers carry their unit in their name; percentages are 0 to
// 100. Field names do not change within v1; fields may be added.
package api

// Bandwidth is a rate in bit/s, or the string "unlimited". The number 0 is refused.
type Bandwidth int64

// Settings are the settings of the whole mesh.
type Settings struct {
	Bandwidth      Bandwidth `json:"bandwidth"`
	DecayBandwidth bool      `json:"decay_bandwidth"`
	MaxLatencyMS   float64   `json:"max_latency_ms"`
	// MinBandwidth in bit/s; 0 is no minimum.
	MinBandwidth    int64     `json:"min_bandwidth"`
	JitterPct       float64   `json:"jitter_pct"`
	LossPct         float64   `json:"loss_pct"`
	CostFunction    string    `json:"cost_function" enum:"cost_min_latency,cost_max_bandwidth"`
	LatencyScalePct float64   `json:"latency_scale_pct"`
	Neighbours      int       `json:"neighbours"`
	ClientLatencyMS float64   `json:"client_latency_ms"`
	ClientBandwidth Bandwidth `json:"client_bandwidth"`
	ClientJitterPct float64   `json:"client_jitter_pct"`
	ClientLossPct   float64   `json:"client_loss_pct"`
}

// Server is one server of the mesh.
type Server struct {
	ID     int      `json:"id"`
	Name   string   `json:"name"`
	Kind   string   `json:"kind"`
	X      float64  `json:"x"`
	Y      float64  `json:"y"`
	State  string   `json:"state" enum:"new,starting,running,paused,stopping,stopped,failed,gone"`
	Reason string   `json:"reason,omitempty"`
	Log    []string `json:"log,omitempty"`
	// ClientURL reaches the server's client API through its client link.
	ClientURL string `json:"client_url"`
	// ClientPort is the TCP port on the host that does the same, 0 where there is none.
	ClientPort      int    `json:"client_port,omitempty"`
	ClientPortError string `json:"client_port_error,omitempty"`
	IPv4            string `json:"ipv4"`
	IPv6            string `json:"ipv6"`
}

// LinkParams are the parameters in force for one direction of a link.
type LinkParams struct {
	LatencyMS  float64   `json:"latency_ms"`
	Bandwidth  Bandwidth `json:"bandwidth"`
	JitterPct  float64   `json:"jitter_pct"`
	LossPct    float64   `json:"loss_pct"`
	QueueBytes int       `json:"queue_bytes"`
	MTU        int       `json:"mtu"`
}

// Pin holds what is fixed for one direction of a link; absent is derived.
type Pin struct {
	LatencyMS            *float64        `json:"latency_ms,omitempty"`
	Bandwidth            *Bandwidth      `json:"bandwidth,omitempty"`
	JitterPct            *float64        `json:"jitter_pct,omitempty"`
	LossPct              *float64        `json:"loss_pct,omitempty"`
	JitterDistribution   *string         `json:"jitter_distribution,omitempty" enum:"uniform,normal,pareto,paretonormal"`
	JitterCorrelationPct *float64        `json:"jitter_correlation_pct,omitempty"`
	Burst                *GilbertElliott `json:"burst,omitempty"`
	DuplicatePct         *float64        `json:"duplicate_pct,omitempty"`
	ReorderPct           *float64        `json:"reorder_pct,omitempty"`
	CorruptPct           *float64        `json:"corrupt_pct,omitempty"`
	QueueBytes           *int            `json:"queue_bytes,omitempty"`
	OverheadBytes        *int            `json:"overhead_bytes,omitempty"`
	MTU                  *int            `json:"mtu,omitempty"`
}

// GilbertElliott is bursty loss: the chance per packet to enter and to leave the bad state, and the loss in
// each.
type GilbertElliott struct {
	PPct        float64 `json:"p_pct"`
	RPct        float64 `json:"r_pct"`
	LossGoodPct float64 `json:"loss_good_pct"`
	LossBadPct  float64 `json:"loss_bad_pct"`
}

// Link is a link between two servers; a < b. "ab" holds for packets from a to b.
type Link struct {
	A      int        `json:"a"`
	B      int        `json:"b"`
	AB     LinkParams `json:"ab"`
	BA     LinkParams `json:"ba"`
	PinsAB Pin        `json:"pins_ab"`
	PinsBA Pin        `json:"pins_ba"`
	Cut    bool       `json:"cut"`
}

// Room is a room that was made through the mesh's own interface.
type Room struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Version string `json:"version"`
	Creator int    `json:"creator"` // server id
	// Members says for each invited server how far it has come: "joining", "joined", "failed" or "left".
	Members []RoomMember `json:"members"`
}

// RoomMember is one server's place in a room.
type RoomMember struct {
	Server int    `json:"server"`
	State  string `json:"state" enum:"joining,joined,failed,left"`
	Reason string `json:"reason,omitempty"`
}

// A stream frame is one JSON text message of the WebSocket /api/v1/stream. Its type says which other field is
// present. The first frame is a snapshot; a reader that fell behind gets another one.
type Frame struct {
	Type     string         `json:"type" enum:"snapshot,diff,events,counters"`
	Snapshot *SnapshotFrame `json:"snapshot,omitempty"`
	Diff     *DiffFrame     `json:"diff,omitempty"`
	Events   *EventsFrame   `json:"events,omitempty"`
	Counters *CountersFrame `json:"counters,omitempty"`
}

// SnapshotFrame is the whole mesh.
type SnapshotFrame struct {
	Version  uint64   `json:"version"`
	Settings Settings `json:"settings"`
	Servers  []Server `json:"servers"`
	Links    []Link   `json:"links"`
	Rooms    []Room   `json:"rooms"`
	// Kinds are the kinds of server that can be added here, the default first.
	Kinds []string `json:"kinds"`
}

// DiffFrame is what changed since the version before. Lists hold whole resources.
type DiffFrame struct {
	Version      uint64    `json:"version"`
	Settings     *Settings `json:"settings,omitempty"`
	Servers      []Server  `json:"servers,omitempty"`       // added or changed; gone servers have that state
	Links        []Link    `json:"links,omitempty"`         // added or changed
	RemovedLinks [][2]int  `json:"removed_links,omitempty"` // a, b
	Rooms        []Room    `json:"rooms,omitempty"`         // added or changed
}

// EventsFrame is telemetry: what was sent and received since the frame before, grouped by event.
type EventsFrame struct {
	// At is when the frame was made, in ms since the stream began; the times below are on the same clock.
	AtMS float64 `json:"at_ms"`
	// Events describes every event named below that this stream has not described before.
	Events []EventInfo `json:"events,omitempty"`
	// Paths are spelled out the first time they are used on this stream; later frames name them by id.
	Paths    []Path          `json:"paths,omitempty"`
	Sent     []SentGroup     `json:"sent,omitempty"`
	Received []ReceivedGroup `json:"received,omitempty"`
	Failed   []FailedTxn     `json:"failed,omitempty"`
	// Lost is how many notifications were lost because this reader did not keep up.
	Lost uint64 `json:"lost,omitempty"`
}

// EventInfo describes a PDU.
type EventInfo struct {
	ID       string  `json:"id"`
	Type     string  `json:"type"`
	Room     string  `json:"room"`
	Sender   string  `json:"sender"`
	StateKey *string `json:"state_key,omitempty"`
	Bytes    int     `json:"bytes"`
}

// Path is a path through the mesh: the servers from source to destination, both included.
type Path struct {
	ID    int   `json:"id"`
	Nodes []int `json:"nodes"`
}

// SentGroup is one event handed to the transport by one server for several destinations. To, Path and AtMS
// have the same length.
type SentGroup struct {
	Event     string    `json:"event"`
	From      int       `json:"from"`
	To        []int     `json:"to"`
	Path      []int     `json:"path"` // ids; -1 where no path is known
	AtMS      []float64 `json:"at_ms"`
	Transport string    `json:"transport"`
	Attempt   []int     `json:"attempt,omitempty"` // absent where all are first attempts
}

// ReceivedGroup is one event received by several servers. The lists have the same length.
type ReceivedGroup struct {
	Event   string    `json:"event"`
	From    []int     `json:"from"`
	To      []int     `json:"to"`
	AtMS    []float64 `json:"at_ms"`
	Basis   []string  `json:"basis"`   // "processed" or "accepted"
	Outcome []string  `json:"outcome"` // "accepted", "soft_failed" or "rejected"
}

// FailedTxn is a transaction that did not arrive.
type FailedTxn struct {
	Events  []string `json:"events"`
	From    int      `json:"from"`
	To      int      `json:"to"`
	Path    int      `json:"path"`
	AtMS    float64  `json:"at_ms"`
	Attempt int      `json:"attempt"`
	Reason  string   `json:"reason"`
}

// CountersFrame holds the links whose counters moved since the frame before, four times a second, and the
// state of the host.
type CountersFrame struct {
	AtMS  float64        `json:"at_ms"`
	Links []LinkCounters `json:"links,omitempty"`
	// LatenessP99MS is by how much the emulator delivered packets later than it should have, over the last
	// second.
	LatenessP99MS float64 `json:"lateness_p99_ms"`
}

// LinkCounters are the totals of one direction of a link, from server From to server To.
type LinkCounters struct {
	From       int               `json:"from"`
	To         int               `json:"to"`
	Packets    uint64            `json:"packets"`
	Bytes      uint64            `json:"bytes"`
	Drops      map[string]uint64 `json:"drops,omitempty"` // by reason
	QueueBytes int               `json:"queue_bytes"`
	// UtilisationPct is the share of the link's rate used since the frame before; 0 where it is unlimited.
	UtilisationPct float64 `json:"utilisation_pct"`
}
