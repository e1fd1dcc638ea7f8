package federation

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"sync"
	"time"

	"meshsim/homeserver"
	"meshsim/matrix"
)

const (
	// maxNotaryQuery is how many servers' keys one request may ask for: each may cost a request to that server.
	maxNotaryQuery = 50
	// notaryWidth is how many of them are asked at a time, for everybody who asks this notary.
	notaryWidth = 16
	// maxNotaryDocuments is how many servers' key documents a notary keeps.
	maxNotaryDocuments = 2000
)

// notary keeps the key documents of other servers for those who ask ("Querying Keys Through Another Server"). It has
// none until it is asked.
type notary struct {
	slots chan struct{} // holds a value for each server that is being asked
	mu    sync.Mutex
	docs  map[string]notarized
}

type notarized struct {
	doc        json.RawMessage
	validUntil int64     // milliseconds
	asked      time.Time // when the server was last asked for it, in vain or not
}

// keyQuery is the body of key/v2/query.
type keyQuery struct {
	Servers map[string]map[string]keyCriteria `json:"server_keys"` // by server and key id
}

type keyCriteria struct {
	MinimumValidUntil int64 `json:"minimum_valid_until_ts,omitempty"` // milliseconds
}

// keyAnswer is the answer of key/v2/query.
type keyAnswer struct {
	Servers []json.RawMessage `json:"server_keys"`
}

func (h *Handler) queryKeys(req asked) (any, error) {
	var minimum int64
	if text := req.URL.Query().Get("minimum_valid_until_ts"); text != "" {
		var err error
		if minimum, err = strconv.ParseInt(text, 10, 64); err != nil {
			return nil, badRequest("minimum_valid_until_ts is %q: it must be a number of milliseconds", text)
		}
	}
	return h.notarize(req.Context(), map[string]int64{req.PathValue("server"): minimum})
}

func (h *Handler) queryManyKeys(req asked) (any, error) {
	var query keyQuery
	if err := decode(req.body, &query); err != nil {
		return nil, err
	}
	wanted := map[string]int64{}
	for server, keys := range query.Servers {
		wanted[server] = 0
		for _, criteria := range keys {
			wanted[server] = max(wanted[server], criteria.MinimumValidUntil)
		}
	}
	return h.notarize(req.Context(), wanted)
}

// notarize answers with the key documents of servers, countersigned. wanted says until when, in milliseconds, each
// should be valid at least. Of a server that is not to be reached there is what is kept, or nothing.
func (h *Handler) notarize(ctx context.Context, wanted map[string]int64) (any, error) {
	if len(wanted) > maxNotaryQuery {
		return nil, badRequest("the query is for %d servers: at most %d are allowed", len(wanted), maxNotaryQuery)
	}
	for server := range wanted {
		if !matrix.ServerName(server).Valid() {
			return nil, badRequest("%q is no server name", server)
		}
	}
	var mu sync.Mutex
	var group sync.WaitGroup
	answer := keyAnswer{Servers: []json.RawMessage{}}
	for server, minimum := range wanted {
		group.Go(func() {
			doc, err := h.keysOf(ctx, server, minimum)
			if err != nil {
				h.log.Debug("keys are not to be had", "server", server, "error", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			answer.Servers = append(answer.Servers, doc)
		})
	}
	group.Wait()
	slices.SortFunc(answer.Servers, func(a, b json.RawMessage) int { return slices.Compare(a, b) })
	return answer, nil
}

// keysOf returns the key document of a server, signed by this one too.
func (h *Handler) keysOf(ctx context.Context, server string, minimum int64) (json.RawMessage, error) {
	if server == h.identity.Name {
		return h.identity.keyDocument(time.Now())
	}
	now := time.Now()
	kept := h.notary.get(server)
	if kept.doc != nil && kept.validUntil >= max(minimum, now.UnixMilli()) {
		return kept.doc, nil
	}
	if now.Sub(kept.asked) < keyRetry {
		return kept.orNone(server)
	}
	select {
	case h.notary.slots <- struct{}{}:
	case <-ctx.Done():
		return kept.orNone(server)
	}
	defer func() { <-h.notary.slots }()
	if kept = h.notary.get(server); time.Since(kept.asked) < keyRetry { // somebody else has asked meanwhile
		return kept.orNone(server)
	}
	fresh, err := h.fetchDocument(ctx, server)
	if err != nil {
		if ctx.Err() == nil { // otherwise it says nothing about the server
			kept.asked = time.Now()
			h.notary.put(server, kept)
		}
		return kept.orNone(server)
	}
	h.notary.put(server, fresh)
	return fresh.doc, nil
}

func (h *Handler) fetchDocument(ctx context.Context, server string) (notarized, error) {
	raw, err := h.ring.fetch(ctx, server)
	if err != nil {
		return notarized{}, err
	}
	var doc serverKeys
	if err := json.Unmarshal(raw, &doc); err != nil {
		return notarized{}, err
	}
	signed, err := h.identity.sign(raw)
	return notarized{doc: signed, validUntil: doc.ValidUntilTS, asked: time.Now()}, err
}

// orNone returns a document that is older than was asked for, where there is one: the asker decides what it is worth.
func (n notarized) orNone(server string) (json.RawMessage, error) {
	if n.doc == nil {
		return nil, &homeserver.Error{Kind: homeserver.Unreachable, Message: "the keys of " + server + " are not to be had"}
	}
	return n.doc, nil
}

func (n *notary) get(server string) notarized {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.docs[server]
}

// put keeps a document; where there are too many, any other gives way.
func (n *notary) put(server string, doc notarized) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.docs == nil {
		n.docs = map[string]notarized{}
	}
	for other := range n.docs {
		if len(n.docs) < maxNotaryDocuments {
			break
		}
		delete(n.docs, other)
	}
	n.docs[server] = doc
}
