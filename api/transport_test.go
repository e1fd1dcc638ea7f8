package api

import (
	"testing"
)

func TestTransportIsChangedLive(t *testing.T) {
	h := newHarness(t)
	for _, choice := range []string{"https", "lowband", "auto"} {
		if choice != "https" {
			h.must("PUT", "/api/v1/transport", `{"transport":"`+choice+`"}`, nil)
		}
		var got Transport
		h.must("GET", "/api/v1/transport", "", &got)
		if got.Transport != choice || string(h.transports.Choice()) != choice {
			t.Errorf("the transport is %q and told as %q, want %q", h.transports.Choice(), got.Transport, choice)
		}
	}
	if status, answer := h.request("PUT", "/api/v1/transport", `{"transport":"pigeon"}`); status != 422 {
		t.Errorf("answered %d %s", status, answer)
	}
}
