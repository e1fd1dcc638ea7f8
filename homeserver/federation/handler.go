package federation

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"meshsim/homeserver"
	"meshsim/matrix"
)

const (
	maxBody  = 8 << 20  // bytes of a transaction: 50 PDUs of 64 KiB, 100 EDUs
	maxQuery = 64 << 10 // bytes of the body of an ordinary request
	// maxInvite is for the invite and the room's stripped state with it: ten events of 64 KiB, and some more.
	maxInvite = 1 << 20
	// maxSignatures is how many Authorization headers of a request are looked at.
	maxSignatures = 4
)

// Handler answers what other servers ask. It takes requests for /_matrix/federation and /_matrix/key.
type Handler struct {
	server   *homeserver.Server
	identity Identity
	ring     *KeyRing
	heard    func(origin string) // told who sent a correctly signed request
	log      *slog.Logger
	txns     transactions
	notary   notary
	mux      *http.ServeMux
}

// NewHandler returns the handler of a server. heard is called with the name of each server that sent a
// correctly signed request; it may be nil and must return at once.
func NewHandler(server *homeserver.Server, identity Identity, ring *KeyRing, heard func(origin string), log *slog.Logger) *Handler {
	if heard == nil {
		heard = func(string) {}
	}
	h := &Handler{
		server: server, identity: identity, ring: ring, heard: heard, log: log,
		txns:   transactions{last: map[string]*received{}, keep: func(r storedReceived) { server.Keep(kindReceived, r, r.Origin) }},
		notary: notary{slots: make(chan struct{}, notaryWidth)}, mux: http.NewServeMux(),
	}
	h.routes()
	return h
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

// asked is a request whose sender is known.
type asked struct {
	*http.Request
	origin string
	body   json.RawMessage // nil for none
}

// endpoint answers one method of one path: with a value that becomes JSON, or an error.
type endpoint func(asked) (any, error)

// methods are the endpoints of one path.
type methods map[string]http.Handler

func (m methods) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if handler := m[r.Method]; handler != nil {
		handler.ServeHTTP(w, r)
		return
	}
	writeError(w, http.StatusMethodNotAllowed, "M_UNRECOGNIZED", r.Method+" is not a method of this endpoint")
}

func (h *Handler) routes() {
	v1, v2 := "/_matrix/federation/v1", "/_matrix/federation/v2"
	h.mux.Handle(v1+"/version", methods{http.MethodGet: h.open(h.version)})
	h.mux.Handle("/_matrix/key/v2/server", methods{http.MethodGet: h.open(h.keys)})
	h.mux.Handle("/_matrix/key/v2/query/{server}", methods{http.MethodGet: h.open(h.queryKeys)})
	h.mux.Handle("/_matrix/key/v2/query", methods{http.MethodPost: h.unsigned(maxQuery, h.queryManyKeys)})
	for path, m := range map[string]methods{
		v1 + "/send/{txn}":                {http.MethodPut: h.signed(maxBody, h.send)},
		v1 + "/make_join/{room}/{user}":   {http.MethodGet: h.signed(0, h.makeJoin)},
		v1 + "/send_join/{room}/{event}":  {http.MethodPut: h.signed(maxQuery*2, h.sendJoin1)},
		v2 + "/send_join/{room}/{event}":  {http.MethodPut: h.signed(maxQuery*2, h.sendJoin)},
		v1 + "/make_leave/{room}/{user}":  {http.MethodGet: h.signed(0, h.makeLeave)},
		v1 + "/send_leave/{room}/{event}": {http.MethodPut: h.signed(maxQuery*2, h.sendLeave1)},
		v2 + "/send_leave/{room}/{event}": {http.MethodPut: h.signed(maxQuery*2, h.sendLeave)},
		v1 + "/invite/{room}/{event}":     {http.MethodPut: h.signed(maxInvite, h.invite1)},
		v2 + "/invite/{room}/{event}":     {http.MethodPut: h.signed(maxInvite, h.invite)},
		v1 + "/event/{event}":             {http.MethodGet: h.signed(0, h.event)},
		v1 + "/state/{room}":              {http.MethodGet: h.signed(0, h.state)},
		v1 + "/state_ids/{room}":          {http.MethodGet: h.signed(0, h.stateIDs)},
		v1 + "/event_auth/{room}/{event}": {http.MethodGet: h.signed(0, h.eventAuth)},
		v1 + "/backfill/{room}":           {http.MethodGet: h.signed(0, h.backfill)},
		v1 + "/get_missing_events/{room}": {http.MethodPost: h.signed(maxQuery, h.missingEvents)},
		v1 + "/query/profile":             {http.MethodGet: h.signed(0, h.profile)},
		v1 + "/query/directory":           {http.MethodGet: h.signed(0, h.directory)},
	} {
		h.mux.Handle(path, m)
	}
	h.userRoutes()
	h.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeError(w, http.StatusNotFound, "M_UNRECOGNIZED", "there is no endpoint "+r.URL.Path)
	})
}

// unsigned serves an endpoint with a body that need not be signed. limit bounds the body.
func (h *Handler) unsigned(limit int64, e endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := readBody(w, r, limit)
		if !ok {
			return
		}
		content, err := matrix.CanonicalJSONLenient(body)
		if err != nil {
			writeError(w, http.StatusBadRequest, "M_NOT_JSON", err.Error())
			return
		}
		h.answer(w, e, asked{Request: r, body: content})
	})
}

// open serves an endpoint that needs no signature.
func (h *Handler) open(e endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.answer(w, e, asked{Request: r})
	})
}

// signed serves an endpoint to servers that sign their request. limit bounds the body; 0 means that there is
// none.
func (h *Handler) signed(limit int64, e endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := readBody(w, r, max(limit, 1024))
		if !ok {
			return
		}
		req, err := h.authenticate(r, body)
		if err != nil {
			h.log.Debug("request refused", "path", r.URL.Path, "error", err)
			status, code := http.StatusUnauthorized, "M_UNAUTHORIZED"
			if malformed := (*matrix.JSONError)(nil); errors.As(err, &malformed) {
				status, code = http.StatusBadRequest, "M_NOT_JSON"
			}
			writeError(w, status, code, err.Error())
			return
		}
		h.heard(req.origin)
		h.answer(w, e, req)
	})
}

// readBody returns false when there is no more to do: the body is too large, which has been answered, or the other server
// is gone.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) (body []byte, ok bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		writeError(w, http.StatusRequestEntityTooLarge, "M_TOO_LARGE", fmt.Sprintf("the body has more than %d bytes", tooLarge.Limit))
	}
	return body, err == nil
}

// authenticate checks the X-Matrix header of a request ("Request Authentication"): at least one of several
// must be right.
func (h *Handler) authenticate(r *http.Request, body []byte) (asked, error) {
	var content []byte
	if len(body) > 0 {
		var err error
		if content, err = matrix.CanonicalJSONLenient(body); err != nil {
			return asked{}, err
		}
	}
	err := errors.New("the request has no Authorization header of scheme X-Matrix")
	headers := r.Header.Values("Authorization")
	for _, header := range headers[:min(len(headers), maxSignatures)] {
		var x matrix.XMatrix
		if x, err = matrix.ParseXMatrix(header); err != nil {
			continue
		}
		if err = h.verify(r, x, content); err == nil {
			return asked{Request: r, origin: x.Origin, body: content}, nil
		}
	}
	return asked{}, err
}

func (h *Handler) verify(r *http.Request, x matrix.XMatrix, content []byte) error {
	if x.Destination != "" && x.Destination != h.identity.Name {
		return fmt.Errorf("the request is for %q, this is %q", x.Destination, h.identity.Name)
	}
	signature, err := matrix.DecodeBase64(x.Signature)
	if err != nil {
		return errors.New("the signature is not Base64")
	}
	message, err := signedRequest(r.Method, requestURI(r), x.Origin, h.identity.Name, content)
	if err != nil {
		return err
	}
	key, err := h.verifyKey(r.Context(), x)
	if err != nil {
		return err
	}
	return matrix.VerifySignature(message, signature, matrix.ServerName(x.Origin), matrix.KeyID(x.Key), key)
}

func (h *Handler) verifyKey(ctx context.Context, x matrix.XMatrix) (ed25519.PublicKey, error) {
	if x.Origin == h.identity.Name {
		return nil, errors.New("the request comes from this server itself")
	}
	return h.ring.VerifyKey(ctx, x.Origin, x.Key, time.Now())
}

// requestURI is the path and query as they were sent, which is what the signature covers.
func requestURI(r *http.Request) string {
	if strings.HasPrefix(r.RequestURI, "/") {
		return r.RequestURI
	}
	return r.URL.RequestURI()
}

// answer runs an endpoint and writes what it returns, once all that it may tell is kept.
func (h *Handler) answer(w http.ResponseWriter, e endpoint, req asked) {
	if req.Method != http.MethodGet {
		if err := h.server.Ready(); err != nil {
			writeFailure(w, err)
			return
		}
	}
	value, err := e(req)
	if err != nil && req.origin != "" && homeserver.KindOf(err) == homeserver.BadRequest {
		h.server.NoteBadRequest(req.origin)
	}
	if kept := h.server.Durable(req.Context()); kept != nil {
		err = kept
	}
	if err != nil {
		writeFailure(w, err)
		return
	}
	if own, ok := value.(respondent); ok {
		own.write(w)
		return
	}
	raw, err := json.Marshal(value)
	if err != nil {
		writeError(w, http.StatusInternalServerError, "M_UNKNOWN", "the answer cannot be encoded")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(raw) // the other server is gone
}

// failure is a standard error response ("Standard error response").
type failure struct {
	Code        string `json:"errcode"`
	Message     string `json:"error"`
	RoomVersion string `json:"room_version,omitempty"` // with M_INCOMPATIBLE_ROOM_VERSION
}

func writeFailure(w http.ResponseWriter, err error) {
	kind := homeserver.KindOf(err)
	out := failure{Code: kind.Code(), Message: err.Error()}
	if e := (*homeserver.Error)(nil); errors.As(err, &e) {
		out.RoomVersion = e.RoomVersion
	}
	out.write(w, kind.Status())
}

func writeError(w http.ResponseWriter, status int, code, message string) {
	failure{Code: code, Message: message}.write(w, status)
}

func (f failure) write(w http.ResponseWriter, status int) {
	raw, err := json.Marshal(f)
	if err != nil {
		raw = []byte(`{"errcode":"M_UNKNOWN"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(raw) // the other server is gone
}
