package msc3079

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"meshsim/lowband/coap"
)

func isSync(path string) bool {
	return path == present+"/sync" || path == former+"/sync"
}

const (
	// pollFor is how long the homeserver is asked to wait for something new, time and again, beside it.
	pollFor = "30000"
	// pollEvery bounds how often a homeserver is asked that does not wait.
	pollEvery = time.Second
)

// observe answers a sync and goes on telling what is new (MSC3079, "HTTP long-polling -> CoAP OBSERVE").
func (c *conversation) observe(req *http.Request, in coap.Request) coap.Response {
	res := c.answer(req)
	next := nextBatch(res.Body)
	out := c.response(req.Method, res, in.Options)
	if res.Status != http.StatusOK || next == "" {
		return out
	}
	out.Observed = true
	c.work.Go(func() { c.tell(req, in, next) })
	return out
}

// tell sends every sync that brings something, until the client no longer wants to know.
func (c *conversation) tell(first *http.Request, in coap.Request, since string) {
	o := in.Observer
	defer o.Stop()
	for o.Context().Err() == nil {
		begun := time.Now()
		res := c.answer(again(o.Context(), first, since))
		if o.Context().Err() != nil {
			return
		}
		next := nextBatch(res.Body)
		if res.Status != http.StatusOK || next == "" {
			_ = o.Notify(c.response(first.Method, res, in.Options)) // the end of it in any case
			return
		}
		since = next
		if quiet(res.Body) {
			pause(o.Context(), pollEvery-time.Since(begun))
			continue
		}
		if o.Notify(c.response(first.Method, res, in.Options)) != nil {
			return
		}
	}
}

// again is the sync that follows on another.
func again(ctx context.Context, first *http.Request, since string) *http.Request {
	query := first.URL.Query()
	query.Set("since", since)
	query.Set("timeout", pollFor)
	query.Del("full_state")
	u := *first.URL
	u.RawQuery = query.Encode()
	req := first.Clone(ctx)
	req.URL, req.RequestURI, req.Body = &u, u.RequestURI(), http.NoBody
	return req
}

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func nextBatch(body []byte) string {
	var s struct {
		Next string `json:"next_batch"`
	}
	if json.Unmarshal(body, &s) != nil {
		return ""
	}
	return s.Next
}

// quiet tells whether a sync brings nothing: no list in it has an element. Counts of keys are there every time.
func quiet(body []byte) bool {
	var all map[string]any
	if json.Unmarshal(body, &all) != nil {
		return false
	}
	for name, value := range all {
		if name == "next_batch" || strings.HasPrefix(name, "device_") && name != "device_lists" || strings.HasPrefix(name, "org.matrix.msc2732") {
			continue
		}
		if !hollow(value) {
			return false
		}
	}
	return true
}

func hollow(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for _, value := range v {
			if !hollow(value) {
				return false
			}
		}
		return true
	case []any:
		return len(v) == 0
	}
	return false
}

// observable tells whether a sync is of the kind that Observe replaces: a long poll without anything unusual.
func observable(req *http.Request, query url.Values) bool {
	if req.Method != http.MethodGet || !isSync(req.URL.Path) || query.Get("timeout") == "" || query.Get("timeout") == "0" {
		return false
	}
	for key := range query {
		switch key {
		case "since", "timeout", "filter", "set_presence":
		default:
			return false
		}
	}
	return true
}
