package federation

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"meshsim/homeserver"
	"meshsim/matrix"
)

const (
	maxAnswer       = 1 << 20   // bytes of an ordinary answer
	maxEventsAnswer = 8 << 20   // bytes of an answer that carries 100 events of 64 KiB, or many keys
	maxStateAnswer  = 256 << 20 // bytes of an answer that carries a room's state
	defaultTimeout  = 60 * time.Second
)

// Client sends signed requests to other servers. It implements homeserver.Remote. It is safe for concurrent
// use.
type Client struct {
	identity  Identity
	transport http.RoundTripper
	timeout   func(server string, bytes int) time.Duration
}

// NewClient returns a client that sends through transport. timeout says how long a request with a body of so
// many bytes may take, the answer included; nil for one minute.
func NewClient(identity Identity, transport http.RoundTripper, timeout func(server string, bytes int) time.Duration) *Client {
	if timeout == nil {
		timeout = func(string, int) time.Duration { return defaultTimeout }
	}
	return &Client{identity: identity, transport: transport, timeout: timeout}
}

// call is one request.
type call struct {
	method string
	server string
	path   string     // escaped, from /_matrix on
	query  url.Values // may be nil
	body   []byte     // canonical JSON, nil for none
	most   int64      // bytes of the answer; 0 for maxAnswer
	bare   bool       // not signed
}

func path(prefix string, segments ...string) string {
	p := "/_matrix/" + prefix
	for _, s := range segments {
		p += "/" + url.PathEscape(s)
	}
	return p
}

// do sends a request and decodes the answer into out, unless that is nil.
func (c *Client) do(ctx context.Context, call call, out any) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout(call.server, len(call.body)))
	defer cancel()
	raw, err := c.send(ctx, call)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return unreachable(err, "%s answered %s with something else than was asked for", call.server, call.path)
	}
	return nil
}

// send returns the body of a successful answer.
func (c *Client) send(ctx context.Context, call call) ([]byte, error) {
	req, err := c.request(ctx, call)
	if err != nil {
		return nil, err
	}
	res, err := c.transport.RoundTrip(req)
	if err != nil {
		return nil, unreachable(err, "%s does not answer", call.server)
	}
	defer res.Body.Close()
	limit := cmp.Or(call.most, maxAnswer)
	raw, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	if err != nil {
		return nil, unreachable(err, "%s stopped answering", call.server)
	}
	if int64(len(raw)) > limit {
		return nil, unreachable(nil, "%s answers %s with more than %d bytes", call.server, call.path, limit)
	}
	if res.StatusCode != http.StatusOK {
		return nil, refusal(call, res.StatusCode, raw)
	}
	return raw, nil
}

func (c *Client) request(ctx context.Context, call call) (*http.Request, error) {
	target := "https://" + call.server + call.path
	if len(call.query) > 0 {
		target += "?" + call.query.Encode()
	}
	var body io.Reader
	if call.body != nil {
		body = bytes.NewReader(call.body)
	}
	req, err := http.NewRequestWithContext(ctx, call.method, target, body)
	if err != nil {
		return nil, unreachable(err, "%q is no server to ask", call.server)
	}
	if call.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if call.bare {
		return req, nil
	}
	message, err := signedRequest(call.method, req.URL.RequestURI(), c.identity.Name, call.server, call.body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", matrix.XMatrix{
		Origin: c.identity.Name, Destination: call.server, Key: c.identity.KeyID,
		Signature: matrix.EncodeBase64(ed25519.Sign(c.identity.Key, message)),
	}.String())
	return req, nil
}

// refusal turns an error answer into an error of the kind that its errcode stands for. What another server
// will perhaps not say again a moment later (429, 5xx) is Unreachable.
func refusal(call call, status int, raw []byte) error {
	var answer failure
	_ = json.Unmarshal(raw, &answer) // an error that is not in the standard form has no errcode
	kind, known := kindOf[answer.Code]
	if !known {
		kind = homeserver.Forbidden
	}
	if status == http.StatusTooManyRequests || status >= 500 {
		kind = homeserver.Unreachable
	}
	return &homeserver.Error{
		Kind: kind, Message: fmt.Sprintf("%s refused %s %s with status %d %s", call.server, call.method, call.path, status, answer.Code),
		Err: errors.New(answer.Message), RoomVersion: answer.RoomVersion,
	}
}

var kindOf = map[string]homeserver.Kind{
	"M_NOT_FOUND":     homeserver.NotFound,
	"M_UNRECOGNIZED":  homeserver.NotFound,
	"M_FORBIDDEN":     homeserver.Forbidden,
	"M_BAD_JSON":      homeserver.BadRequest,
	"M_TOO_LARGE":     homeserver.TooLarge,
	"M_UNKNOWN_TOKEN": homeserver.UnknownToken,
	// What this server asked wrongly is no fault of the client for whom it asked ("Joining Rooms").
	"M_INVALID_PARAM":             homeserver.Unreachable,
	"M_MISSING_PARAM":             homeserver.Unreachable,
	"M_UNSUPPORTED_ROOM_VERSION":  homeserver.UnsupportedVersion,
	"M_INCOMPATIBLE_ROOM_VERSION": homeserver.IncompatibleVersion,
	"M_UNABLE_TO_AUTHORISE_JOIN":  homeserver.UnableToAuthoriseJoin,
	"M_UNABLE_TO_GRANT_JOIN":      homeserver.UnableToGrantJoin,
}

func unreachable(cause error, format string, args ...any) error {
	return &homeserver.Error{Kind: homeserver.Unreachable, Message: fmt.Sprintf(format, args...), Err: cause}
}

// encode makes canonical JSON out of a request's body.
func encode(body any) ([]byte, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	return matrix.CanonicalJSONLenient(raw)
}

// canonicalString is a JSON string in the canonical spelling.
func canonicalString(s string) ([]byte, error) {
	raw, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	return matrix.CanonicalJSON(raw)
}

func (c *Client) get(ctx context.Context, server, path string, query url.Values, out any) error {
	return c.do(ctx, call{method: http.MethodGet, server: server, path: path, query: query}, out)
}

func (c *Client) getLarge(ctx context.Context, server, path string, query url.Values, most int64, out any) error {
	return c.do(ctx, call{method: http.MethodGet, server: server, path: path, query: query, most: most}, out)
}

func (c *Client) with(ctx context.Context, method, server, path string, body any, most int64, out any) error {
	raw, err := encode(body)
	if err != nil {
		return err
	}
	return c.do(ctx, call{method: method, server: server, path: path, body: raw, most: most}, out)
}

// serverKeys asks for a server's key document.
func (c *Client) serverKeys(ctx context.Context, server string) (json.RawMessage, error) {
	var doc json.RawMessage
	err := c.do(ctx, call{method: http.MethodGet, server: server, path: "/_matrix/key/v2/server", bare: true}, &doc)
	return doc, err
}

// MakeJoin implements homeserver.Remote.
func (c *Client) MakeJoin(ctx context.Context, server, roomID, userID string, versions []string) (t homeserver.Template, err error) {
	err = c.get(ctx, server, path("federation/v1/make_join", roomID, userID), url.Values{"ver": versions}, &t)
	return t, err
}

// SendJoin implements homeserver.Remote.
func (c *Client) SendJoin(ctx context.Context, server, roomID, eventID string, pdu json.RawMessage) (a homeserver.JoinAnswer, err error) {
	err = c.with(ctx, http.MethodPut, server, path("federation/v2/send_join", roomID, eventID), pdu, maxStateAnswer, &a)
	return a, err
}

// MakeLeave implements homeserver.Remote.
func (c *Client) MakeLeave(ctx context.Context, server, roomID, userID string) (t homeserver.Template, err error) {
	err = c.get(ctx, server, path("federation/v1/make_leave", roomID, userID), nil, &t)
	return t, err
}

// SendLeave implements homeserver.Remote.
func (c *Client) SendLeave(ctx context.Context, server, roomID, eventID string, pdu json.RawMessage) error {
	return c.with(ctx, http.MethodPut, server, path("federation/v2/send_leave", roomID, eventID), pdu, 0, nil)
}

// Invite implements homeserver.Remote.
func (c *Client) Invite(ctx context.Context, server, roomID, eventID string, invite homeserver.InviteRequest) (json.RawMessage, error) {
	var answer struct {
		Event json.RawMessage `json:"event"`
	}
	err := c.with(ctx, http.MethodPut, server, path("federation/v2/invite", roomID, eventID), invite, 0, &answer)
	return answer.Event, err
}

// Event implements homeserver.Remote.
func (c *Client) Event(ctx context.Context, server, eventID string) (json.RawMessage, error) {
	var answer pduList
	if err := c.get(ctx, server, path("federation/v1/event", eventID), nil, &answer); err != nil {
		return nil, err
	}
	if len(answer.PDUs) != 1 {
		return nil, unreachable(nil, "%s answered with %d events instead of one", server, len(answer.PDUs))
	}
	return answer.PDUs[0], nil
}

// pduList is the form in which events are answered.
type pduList struct {
	Origin         string            `json:"origin"`
	OriginServerTS int64             `json:"origin_server_ts"`
	PDUs           []json.RawMessage `json:"pdus"`
}

// EventAuth implements homeserver.Remote.
func (c *Client) EventAuth(ctx context.Context, server, roomID, eventID string) ([]json.RawMessage, error) {
	var answer authChain
	err := c.getLarge(ctx, server, path("federation/v1/event_auth", roomID, eventID), nil, maxStateAnswer, &answer)
	return answer.AuthChain, err
}

type authChain struct {
	AuthChain []json.RawMessage `json:"auth_chain"`
}

// StateIDs implements homeserver.Remote.
func (c *Client) StateIDs(ctx context.Context, server, roomID, eventID string) (a homeserver.StateIDs, err error) {
	err = c.getLarge(ctx, server, path("federation/v1/state_ids", roomID), url.Values{"event_id": {eventID}}, maxStateAnswer, &a)
	return a, err
}

// State implements homeserver.Remote.
func (c *Client) State(ctx context.Context, server, roomID, eventID string) (a homeserver.StateAnswer, err error) {
	err = c.getLarge(ctx, server, path("federation/v1/state", roomID), url.Values{"event_id": {eventID}}, maxStateAnswer, &a)
	return a, err
}

// MissingEvents implements homeserver.Remote.
func (c *Client) MissingEvents(ctx context.Context, server, roomID string, q homeserver.MissingQuery) ([]json.RawMessage, error) {
	var answer missingEvents
	err := c.with(ctx, http.MethodPost, server, path("federation/v1/get_missing_events", roomID), q, maxEventsAnswer, &answer)
	return answer.Events, err
}

type missingEvents struct {
	Events []json.RawMessage `json:"events"`
}

// Backfill implements homeserver.Remote.
func (c *Client) Backfill(ctx context.Context, server, roomID string, from []string, limit int) ([]json.RawMessage, error) {
	var answer pduList
	query := url.Values{"v": from, "limit": {strconv.Itoa(limit)}}
	err := c.getLarge(ctx, server, path("federation/v1/backfill", roomID), query, maxEventsAnswer, &answer)
	return answer.PDUs, err
}

// Directory implements homeserver.Remote.
func (c *Client) Directory(ctx context.Context, server, alias string) (a homeserver.DirectoryAnswer, err error) {
	err = c.get(ctx, server, "/_matrix/federation/v1/query/directory", url.Values{"room_alias": {alias}}, &a)
	return a, err
}

// Profile implements homeserver.Remote.
func (c *Client) Profile(ctx context.Context, server, userID, field string) (profile json.RawMessage, err error) {
	query := url.Values{"user_id": {userID}}
	if field != "" {
		query.Set("field", field)
	}
	err = c.get(ctx, server, "/_matrix/federation/v1/query/profile", query, &profile)
	return profile, err
}

// QueryKeys implements homeserver.Remote.
func (c *Client) QueryKeys(ctx context.Context, server string, q homeserver.KeyQuery) (a homeserver.KeyAnswer, err error) {
	body := keysQuery{q}
	err = c.with(ctx, http.MethodPost, server, "/_matrix/federation/v1/user/keys/query", body, maxEventsAnswer, &a)
	return a, err
}

// ClaimKeys implements homeserver.Remote.
func (c *Client) ClaimKeys(ctx context.Context, server string, claim homeserver.KeyClaim) (a homeserver.ClaimAnswer, err error) {
	body := keysClaim{claim}
	err = c.with(ctx, http.MethodPost, server, "/_matrix/federation/v1/user/keys/claim", body, maxEventsAnswer, &a)
	return a, err
}

var _ homeserver.Remote = (*Client)(nil)
