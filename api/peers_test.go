package api

import (
	"net/http"
	"testing"
	"time"

	"meshsim/node"
)

// Peers implements node.PeerLister.
func (n *ableNode) Peers() []node.Peer {
	return []node.Peer{
		{Server: "hs0", Rooms: 2, Sending: true, PDUs: 1},
		{
			Server: "elsewhere", EDUs: 3, NextTry: time.UnixMilli(1234), Wait: 4 * time.Second, Failure: "refused",
			DroppedPDUs: 1, DroppedEDUs: 2, Rejected: 3, SoftFailed: 4, BadRequests: 5,
		},
	}
}

func TestPeersAreListed(t *testing.T) {
	h := newHarness(t)
	var server Server
	h.must("POST", "/api/v1/servers", `{"x":0,"y":0,"kind":"able"}`, &server)
	if _, err := h.mesh.WaitRunning(t.Context(), server.ID); err != nil {
		t.Fatal(err)
	}
	_, peers := h.request("GET", "/api/v1/servers/0/peers", "")
	want := `[{"server":0,"name":"hs0","rooms":2,"pdus":1,"edus":0,"sending":true,"backoff_ms":0,` +
		`"dropped_pdus":0,"dropped_edus":0,"rejected":0,"soft_failed":0,"bad_requests":0},` +
		`{"name":"elsewhere","rooms":0,"pdus":0,"edus":3,"sending":false,"next_try_ms":1234,"backoff_ms":4000,"failure":"refused",` +
		`"dropped_pdus":1,"dropped_edus":2,"rejected":3,"soft_failed":4,"bad_requests":5}]`
	if got := compact(t, peers); got != want {
		t.Errorf("got    %s\nwanted %s", got, want)
	}
	h.servers(1)
	if status, answer := h.request("GET", "/api/v1/servers/1/peers", ""); status != http.StatusConflict {
		t.Errorf("a kind that knows no peers: %d %s", status, answer)
	}
	if status, _ := h.request("GET", "/api/v1/servers/7/peers", ""); status != http.StatusNotFound {
		t.Errorf("no server: %d", status)
	}
}
