// Package api is the HTTP interface of a running mesh: /api/v1 with its stream, the original's endpoints at
// the root, and clients' access to each server by host name.
//
// This file is the wire format of /api/v1. The OpenAPI document is generated from these types and the
// page's TypeScript types from that document. Numbers carry their unit in their name; percentages are 0 to
// 100. Field names do not change within v1; fields may be added.
package api

// Settings are the settings of the whole mesh.
type Settings struct {
	Bandwidth      Bandwidth `json:"bandwidth" doc:"Of a link of length 0, or of every link without decay."`
	DecayBandwidth bool      `json:"decay_bandwidth" doc:"Bandwidth falls linearly with distance."`
	MaxLatencyMS   float64   `json:"max_latency_ms" exclusiveMinimum:"0" maximum:"86400000" doc:"Servers as far apart as this, or further, are not linked."`
	// MinBandwidth in bit/s; 0 is no minimum.
	MinBandwidth    int64     `json:"min_bandwidth" minimum:"0" exclusiveMaximum:"100000000000" doc:"In bit/s: a link must have more than this; 0 is no minimum."`
	JitterPct       float64   `json:"jitter_pct" minimum:"0" maximum:"100" doc:"Of each link's latency."`
	LossPct         float64   `json:"loss_pct" minimum:"0" maximum:"100" doc:"Of the packets of each link."`
	CostFunction    string    `json:"cost_function" enum:"cost_min_latency,cost_max_bandwidth" doc:"What routes minimise: the sum of latencies, or of 1/bandwidth."`
	LatencyScalePct float64   `json:"latency_scale_pct" exclusiveMinimum:"0" maximum:"100000" doc:"At 100, one pixel of the canvas is one millisecond."`
	Neighbours      int       `json:"neighbours" minimum:"0" maximum:"1000" doc:"How many nearest servers each server links to; with 0, only pairs pinned as linked are."`
	ClientLatencyMS float64   `json:"client_latency_ms" minimum:"0" maximum:"86400000" doc:"Of the link between a server and its clients."`
	ClientBandwidth Bandwidth `json:"client_bandwidth"`
	ClientJitterPct float64   `json:"client_jitter_pct" minimum:"0" maximum:"100"`
	ClientLossPct   float64   `json:"client_loss_pct" minimum:"0" maximum:"100"`
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
	// CoAPURL reaches the server's client API over CoAP.
	CoAPURL string `json:"coap_url,omitempty" doc:"Of CoAP for clients (MSC3079) on the host, with --coap-ports. coap instead of coaps: without encryption (--lowband-insecure)."`
	IPv4    string `json:"ipv4"`
	IPv6    string `json:"ipv6"`
	// Gateway is what stands between the server and the mesh, once it has run; Unseen says in a sentence what of it is not
	// observable, and is absent where all is.
	Gateway string `json:"gateway,omitempty" enum:"observed,pass-through,none"`
	Unseen  string `json:"unseen,omitempty"`
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
	LatencyMS            *float64        `json:"latency_ms,omitempty" minimum:"0" maximum:"86400000"`
	Bandwidth            *Bandwidth      `json:"bandwidth,omitempty"`
	JitterPct            *float64        `json:"jitter_pct,omitempty" minimum:"0" maximum:"100"`
	LossPct              *float64        `json:"loss_pct,omitempty" minimum:"0" maximum:"100"`
	JitterDistribution   *string         `json:"jitter_distribution,omitempty" enum:"uniform,normal,pareto,paretonormal"`
	JitterCorrelationPct *float64        `json:"jitter_correlation_pct,omitempty" minimum:"0" maximum:"100"`
	Burst                *GilbertElliott `json:"burst,omitempty"`
	DuplicatePct         *float64        `json:"duplicate_pct,omitempty" minimum:"0" maximum:"100"`
	ReorderPct           *float64        `json:"reorder_pct,omitempty" minimum:"0" maximum:"100"`
	CorruptPct           *float64        `json:"corrupt_pct,omitempty" minimum:"0" maximum:"100"`
	QueueBytes           *int            `json:"queue_bytes,omitempty" minimum:"1" maximum:"1073741824"`
	OverheadBytes        *int            `json:"overhead_bytes,omitempty" minimum:"0" maximum:"65535"`
	MTU                  *int            `json:"mtu,omitempty" minimum:"68" maximum:"65535"`
}

// GilbertElliott is bursty loss: the chance per packet to enter and to leave the bad state, and the loss in
// each.
type GilbertElliott struct {
	PPct        float64 `json:"p_pct" minimum:"0" maximum:"100"`
	RPct        float64 `json:"r_pct" minimum:"0" maximum:"100"`
	LossGoodPct float64 `json:"loss_good_pct" minimum:"0" maximum:"100"`
	LossBadPct  float64 `json:"loss_bad_pct" minimum:"0" maximum:"100"`
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
	Linked bool       `json:"linked" doc:"It is pinned as a link: it exists wherever its ends stand."`
}

// Room is a room that was made through the mesh's own interface.
type Room struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Version string `json:"version"`
	Creator int    `json:"creator"` // server id
	// Members says for each server that was asked to join how far it has come. What its users do later as clients of
	// their own, leaving included, is not followed.
	Members []RoomMember `json:"members"`
	// ChatterPerSecond is how many messages the members say by themselves, altogether and on average.
	ChatterPerSecond float64 `json:"chatter_per_second"`
}

// RoomMember is one server's place in a room.
type RoomMember struct {
	Server int    `json:"server"`
	State  string `json:"state" enum:"joining,joined,failed"`
	Reason string `json:"reason,omitempty"`
}

// Frame is one JSON text message of the WebSocket /api/v1/stream. Its type says which other field is present. The
// first frame is a snapshot; a reader that fell behind gets another one.
type Frame struct {
	Type     string         `json:"type" enum:"snapshot,diff,events,counters"`
	Snapshot *SnapshotFrame `json:"snapshot,omitempty"`
	Diff     *DiffFrame     `json:"diff,omitempty"`
	Events   *EventsFrame   `json:"events,omitempty"`
	Counters *CountersFrame `json:"counters,omitempty"`
}

// SnapshotFrame is the whole mesh.
type SnapshotFrame struct {
	Version   uint64    `json:"version"`
	Settings  Settings  `json:"settings"`
	Transport Transport `json:"transport"`
	Servers   []Server  `json:"servers"`
	Links     []Link    `json:"links"`
	Rooms     []Room    `json:"rooms"`
	// Kinds are the kinds of server that can be added here, the default first.
	Kinds []string `json:"kinds"`
}

// DiffFrame is what changed since the version before. Lists hold whole resources.
type DiffFrame struct {
	Version      uint64     `json:"version"`
	Settings     *Settings  `json:"settings,omitempty"`
	Transport    *Transport `json:"transport,omitempty"`
	Servers      []Server   `json:"servers,omitempty"`       // added or changed; gone servers have that state
	Links        []Link     `json:"links,omitempty"`         // added or changed
	RemovedLinks [][2]int   `json:"removed_links,omitempty"` // a, b
	Rooms        []Room     `json:"rooms,omitempty"`         // added or changed
}

// EventsFrame is telemetry: what was sent and received since the frame before, grouped by event.
type EventsFrame struct {
	// At is when the frame was made, in ms since the stream began; the times below are on the same clock.
	AtMS float64 `json:"at_ms"`
	// Events describes every event named below that this stream has not described before. After a loss, and
	// from time to time, it describes events and paths again; ids of paths are never used twice.
	Events []EventInfo `json:"events,omitempty"`
	// Paths are spelled out the first time they are used on this stream; later frames name them by id.
	Paths    []Path          `json:"paths,omitempty"`
	Sent     []SentGroup     `json:"sent,omitempty"`
	Received []ReceivedGroup `json:"received,omitempty"`
	Failed   []FailedTxn     `json:"failed,omitempty"`
	// Carried is what exchanges took on the wire that are over.
	Carried []CarriedGroup `json:"carried,omitempty"`
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

// CarriedGroup is what one event took on the wire from one server to several others: its share, by length, of what each
// transaction took with all that belongs to it, handshakes and answers included. To, BytesThere and BytesBack have the same
// length. An event that is sent again is told of again.
type CarriedGroup struct {
	Event     string `json:"event"`
	From      int    `json:"from"`
	Transport string `json:"transport"`
	To        []int  `json:"to"`
	// BytesThere left From, repetitions included; BytesBack reached it: what was lost on its way back is not known.
	BytesThere []int64 `json:"bytes_there"`
	BytesBack  []int64 `json:"bytes_back"`
	// Headers tells whether those of TCP, UDP and IP are counted. Where they are not, it is the TLS records alone.
	Headers bool  `json:"headers"`
	Attempt []int `json:"attempt,omitempty"` // absent where all are first attempts
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
	// RateBPS is what the link took since the frame before, in bit/s; 0 outside of the stream.
	RateBPS float64 `json:"rate_bps"`
	// RequestedDelayMS and AchievedDelayMS are means over the packets that arrived since the frame before (outside of
	// the stream: since the link was added): the delay that the link asked for, queueing included, and what they had.
	// Absent where none arrived.
	RequestedDelayMS float64 `json:"requested_delay_ms,omitempty"`
	AchievedDelayMS  float64 `json:"achieved_delay_ms,omitempty"`
}

// NewServer asks for a server.
type NewServer struct {
	X    float64 `json:"x" minimum:"-1000000" maximum:"1000000" doc:"Pixels of the canvas at zoom 1."`
	Y    float64 `json:"y" minimum:"-1000000" maximum:"1000000" doc:"Pixels of the canvas at zoom 1."`
	Kind string  `json:"kind,omitempty" maxLength:"64" doc:"One of the snapshot's kinds; absent is the first of them."`
	Name string  `json:"name,omitempty" maxLength:"63" doc:"A bare host name: lower-case letters, digits and hyphens. Absent is hs and the id."`
}

// ServerPatch moves a server; what is absent stays.
type ServerPatch struct {
	X *float64 `json:"x,omitempty" minimum:"-1000000" maximum:"1000000"`
	Y *float64 `json:"y,omitempty" minimum:"-1000000" maximum:"1000000"`
}

// LinkPins replaces all that is pinned of a link. "ab" holds for packets from a to b as the address names
// them, in either order.
type LinkPins struct {
	PinsAB Pin  `json:"pins_ab" required:"false"`
	PinsBA Pin  `json:"pins_ba" required:"false"`
	Cut    bool `json:"cut" required:"false" doc:"The link stays and carries nothing."`
	Linked bool `json:"linked" required:"false" doc:"The link exists wherever its ends stand, beside those that the settings give."`
}

// PathInfo is the path in force between two servers.
type PathInfo struct {
	Nodes     []int     `json:"nodes" doc:"The servers from source to destination, both included."`
	RTTMS     float64   `json:"rtt_ms" doc:"Propagation delay there and back, without queueing and jitter."`
	Bandwidth Bandwidth `json:"bandwidth" doc:"Of the slowest link in either direction."`
}

// NewRoom asks for a room.
type NewRoom struct {
	Name    string `json:"name,omitempty" maxLength:"255"`
	Version string `json:"version,omitempty" maxLength:"32" doc:"Room version; absent is the creator's default."`
	Creator int    `json:"creator" minimum:"0" doc:"Id of the server that makes the room."`
	Members []int  `json:"members,omitempty" maxItems:"100000" doc:"Ids of the servers that join it at once, side by side."`
}

// NewMembers lists servers that shall join a room.
type NewMembers struct {
	Servers []int `json:"servers" minItems:"1" maxItems:"100000" doc:"Ids of servers."`
}

// NewMessage is a text message to be sent.
type NewMessage struct {
	Server int    `json:"server" minimum:"0" doc:"Id of the server whose user sends it."`
	Body   string `json:"body" minLength:"1" maxLength:"60000"`
}

// SentMessage names the event that a message became.
type SentMessage struct {
	EventID string `json:"event_id"`
}

// Message is an event of a room as one server has it.
type Message struct {
	EventID string `json:"event_id"`
	Type    string `json:"type"`
	Sender  string `json:"sender"`
	Body    string `json:"body" doc:"Of a message; of other events what they say, in a few words."`
	TS      int64  `json:"ts" doc:"origin_server_ts, ms since 1970."`
}

// Version says what is running.
type Version struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	Seed    uint64 `json:"seed" doc:"Of this mesh: the same seed gives every link the same random sequence."`
	PID     int    `json:"pid" doc:"Id of the process."`
}
