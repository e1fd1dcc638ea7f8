package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"meshsim/node"
)

// Peer is another server as one server sees it: what waits to be sent there.
type Peer struct {
	// Server is the peer's id; absent for a name that is no server's of this mesh.
	Server  *int   `json:"server,omitempty"`
	Name    string `json:"name"`
	Rooms   int    `json:"rooms" doc:"Rooms that both are in."`
	PDUs    int    `json:"pdus" doc:"Events that wait, those under way included."`
	EDUs    int    `json:"edus" doc:"Ephemeral messages that wait, those under way included."`
	Sending bool   `json:"sending" doc:"A transaction is under way."`
	// NextTryMS is when a transaction that failed is tried again, in milliseconds since 1970.
	NextTryMS *int64  `json:"next_try_ms,omitempty"`
	BackoffMS float64 `json:"backoff_ms" doc:"Between the last try, which failed, and the next; 0 where none has failed."`
	Failure   string  `json:"failure,omitempty" doc:"Of the last try."`
	// What came from there in vain since the server was made.
	DroppedPDUs int `json:"dropped_pdus" doc:"Events from there that were none, were not signed right, or were of a room that this server is not in."`
	DroppedEDUs int `json:"dropped_edus" doc:"Ephemeral messages from there that made no sense."`
	Rejected    int `json:"rejected" doc:"Events from there that the rules refused."`
	SoftFailed  int `json:"soft_failed" doc:"Events from there that the rules refused when they came, but not at their place."`
	BadRequests int `json:"bad_requests" doc:"Requests from there, rightly signed, whose bodies were not of the right form."`
}

func (v *v1) registerPeers(api huma.API) {
	huma.Register(api, operation("list-peers", http.MethodGet, "/servers/{id}/peers", "servers", "The servers that a server sends to",
		"With what waits for each, and when a transaction that failed is tried again."), v.listPeers)
}

func (v *v1) listPeers(_ context.Context, in *serverID) (*result[[]Peer], error) {
	lister, err := power[node.PeerLister](v, in.ID, "list of peers")
	if err != nil {
		return nil, problemOf(err)
	}
	found := lister.Peers()
	peers := make([]Peer, len(found))
	for i, p := range found {
		peers[i] = Peer{
			Name: p.Server, Rooms: p.Rooms, PDUs: p.PDUs, EDUs: p.EDUs, Sending: p.Sending,
			BackoffMS: milliseconds(p.Wait), Failure: p.Failure,
			DroppedPDUs: p.DroppedPDUs, DroppedEDUs: p.DroppedEDUs, Rejected: p.Rejected, SoftFailed: p.SoftFailed, BadRequests: p.BadRequests,
		}
		if id, ok := v.mesh.Lookup(p.Server); ok {
			peers[i].Server = &id
		}
		if !p.NextTry.IsZero() {
			peers[i].NextTryMS = new(p.NextTry.UnixMilli())
		}
	}
	return answer(peers, nil)
}
