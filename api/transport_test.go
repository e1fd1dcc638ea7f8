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
	var got Transport
	h.must("PUT", "/api/v1/transport", `{"transport":"auto","below":64000}`, &got)
	if got.Below == nil || *got.Below != 64000 || h.transports.Below() != 64000 {
		t.Errorf("the bound is %v, told as %v", h.transports.Below(), got.Below)
	}
	for _, body := range []string{`{"transport":"https","below":"unlimited"}`, `{"transport":"https","below":50}`, `{"transport":"https","below":0}`} {
		if status, answer := h.request("PUT", "/api/v1/transport", body); status != 422 {
			t.Errorf("%s: answered %d %s", body, status, answer)
		}
	}
	if now := h.transports; now.Choice() != "auto" || now.Below() != 64000 {
		t.Errorf("a refused change left %v below %v", now.Choice(), now.Below())
	}
	if status, answer := h.request("PUT", "/api/v1/transport", `{"transport":"pigeon"}`); status != 422 {
		t.Errorf("answered %d %s", status, answer)
	}
}

func TestTransportIsOnTheStream(t *testing.T) {
	h := newHarness(t)
	r := h.stream()
	if got := r.next(anything).Snapshot.Transport; got.Transport != "https" || got.Below == nil {
		t.Errorf("the snapshot says %+v", got)
	}
	h.must("PUT", "/api/v1/transport", `{"transport":"auto","below":64000}`, nil)
	r.next(func(f Frame) bool {
		if f.Diff == nil || f.Diff.Transport == nil {
			return false
		}
		told := f.Diff.Transport // the rate and the choice may be told one after the other
		return told.Transport == "auto" && told.Below != nil && *told.Below == 64000
	})
	if got := h.stream().next(anything).Snapshot.Transport; got.Transport != "auto" {
		t.Errorf("a later snapshot says %+v", got)
	}
}
