package clientapi

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"

	"meshsim/homeserver"
)

// Handler serves the client-server API of one server: /_matrix/client and /.well-known/matrix/client. It is
// safe for concurrent use and holds nothing but the connections of sliding syncs.
func Handler(server *homeserver.Server) http.Handler {
	return &handler{server: server, table: sharedTable(), slides: &slides{}}
}

// sharedTable is built once, because a table takes more memory than all else an idle server's API needs.
var sharedTable = sync.OnceValue(newTable)

type handler struct {
	server *homeserver.Server
	table  *table
	slides *slides
}

// call is one request on its way through.
type call struct {
	server *homeserver.Server
	slides *slides
	device *homeserver.Device // nil where no access token is needed
	vars   vars
	w      http.ResponseWriter
	r      *http.Request
}

// user is who makes the request.
func (c *call) user() string { return c.device.User }

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	allowAnyOrigin(w.Header())
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	body, err := h.serveKept(w, r)
	if err != nil {
		failure := asAPIError(err)
		respond(w, failure.status, failure.body())
		return
	}
	respond(w, http.StatusOK, body)
}

// serveKept is serve where all that it does is kept, unless that fails.
func (h *handler) serveKept(w http.ResponseWriter, r *http.Request) (any, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		if err := h.server.Ready(); err != nil {
			return nil, err
		}
	}
	body, err := h.serve(w, r)
	if kept := h.server.Durable(r.Context()); kept != nil {
		return nil, kept
	}
	return body, err
}

func (h *handler) serve(w http.ResponseWriter, r *http.Request) (any, error) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	route, values, err := h.table.find(method, r.URL.EscapedPath())
	if err != nil {
		return nil, err
	}
	c := &call{server: h.server, slides: h.slides, vars: values, w: w, r: r}
	if !route.open {
		if c.device, err = h.authenticate(r); err != nil {
			return nil, err
		}
	}
	return route.serve(c)
}

// authenticate finds the device by the access token: in the Authorization header or, as old clients and
// scripts send it, in the query (client-server API, using access tokens).
func (h *handler) authenticate(r *http.Request) (*homeserver.Device, error) {
	token, err := accessToken(r)
	if err != nil {
		return nil, err
	}
	device, ok := h.server.Authenticate(token)
	if !ok && h.server.Expired(token) {
		failure := errorf(http.StatusUnauthorized, "M_UNKNOWN_TOKEN", "the access token has expired: refresh it")
		failure.extra = map[string]any{"soft_logout": true}
		return nil, failure
	}
	if !ok {
		return nil, errorf(http.StatusUnauthorized, "M_UNKNOWN_TOKEN", "the access token is not valid here: log in again")
	}
	return device, nil
}

func accessToken(r *http.Request) (string, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		token = r.URL.Query().Get("access_token")
	}
	if token == "" {
		return "", errorf(http.StatusUnauthorized, "M_MISSING_TOKEN", "the request needs an access token: send the header Authorization: Bearer TOKEN")
	}
	return token, nil
}

// allowAnyOrigin lets pages of every origin use the API (client-server API, web browser clients).
func allowAnyOrigin(header http.Header) {
	header.Set("Access-Control-Allow-Origin", "*")
	header.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, DELETE, OPTIONS")
	header.Set("Access-Control-Allow-Headers", "X-Requested-With, Content-Type, Authorization")
}

// empty is the body of answers that say nothing but that it worked.
type empty struct{}

// respondent is an answer that is not JSON.
type respondent interface{ write(http.ResponseWriter) }

func respond(w http.ResponseWriter, status int, body any) {
	if own, ok := body.(respondent); ok {
		own.write(w)
		return
	}
	text, err := json.Marshal(body)
	if err != nil {
		status = http.StatusInternalServerError
		text, _ = json.Marshal(asAPIError(err).body())
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(text) // when it fails the client is gone: there is nobody to tell
}
