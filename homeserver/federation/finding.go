package federation

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"meshsim/homeserver"
)

// The endpoints that help users to find rooms and their way into them, and moments in rooms.

func (h *Handler) makeKnock(req asked) (any, error) {
	return h.server.TemplateKnock(req.origin, req.PathValue("room"), req.PathValue("user"), req.URL.Query()["ver"])
}

func (h *Handler) sendKnock(req asked) (any, error) {
	return h.server.AcceptKnock(req.Context(), req.origin, req.PathValue("room"), req.PathValue("event"), req.body)
}

func (h *Handler) publicRooms(req asked) (any, error) {
	query := req.URL.Query()
	q := homeserver.RoomsQuery{Since: query.Get("since")}
	if text := query.Get("limit"); text != "" {
		var err error
		if q.Limit, err = strconv.Atoi(text); err != nil || q.Limit < 0 {
			return nil, badRequest("limit is %q: it must be a number from 0 on", text)
		}
	}
	return h.server.PublicRooms(q)
}

func (h *Handler) searchPublicRooms(req asked) (any, error) {
	var q homeserver.RoomsQuery
	if err := decode(req.body, &q); err != nil {
		return nil, err
	}
	return h.server.PublicRooms(q)
}

func (h *Handler) hierarchy(req asked) (any, error) {
	return h.server.ServeHierarchy(req.origin, req.PathValue("room"), req.URL.Query().Get("suggested_only") == "true")
}

func (h *Handler) timestampToEvent(req asked) (any, error) {
	query := req.URL.Query()
	at, err := strconv.ParseInt(query.Get("ts"), 10, 64)
	if dir := query.Get("dir"); err != nil || dir != "b" && dir != "f" {
		return nil, badRequest("ts is %q and dir %q: they must be a number of milliseconds, and b or f", query.Get("ts"), dir)
	}
	return h.server.ServeMoment(req.origin, req.PathValue("room"), at, query.Get("dir") == "b")
}

// userInfo is the answer of openid/userinfo.
type userInfo struct {
	User string `json:"sub"`
}

// userInfo says whose an OpenID token is.
func (h *Handler) userInfo(req asked) (any, error) {
	user, err := h.server.OpenIDUser(req.URL.Query().Get("access_token"))
	return userInfo{user}, err
}

// MakeKnock implements homeserver.Remote.
func (c *Client) MakeKnock(ctx context.Context, server, roomID, userID string, versions []string) (t homeserver.Template, err error) {
	err = c.get(ctx, server, path("federation/v1/make_knock", roomID, userID), url.Values{"ver": versions}, &t)
	return t, err
}

// SendKnock implements homeserver.Remote.
func (c *Client) SendKnock(ctx context.Context, server, roomID, eventID string, pdu json.RawMessage) (a homeserver.KnockAnswer, err error) {
	err = c.with(ctx, http.MethodPut, server, path("federation/v1/send_knock", roomID, eventID), pdu, maxEventsAnswer, &a)
	return a, err
}

// PublicRooms implements homeserver.Remote.
func (c *Client) PublicRooms(ctx context.Context, server string, q homeserver.RoomsQuery) (page homeserver.RoomsPage, err error) {
	err = c.with(ctx, http.MethodPost, server, "/_matrix/federation/v1/publicRooms", q, maxEventsAnswer, &page)
	return page, err
}

// Hierarchy implements homeserver.Remote.
func (c *Client) Hierarchy(ctx context.Context, server, roomID string, suggestedOnly bool) (a homeserver.HierarchyAnswer, err error) {
	query := url.Values{"suggested_only": {strconv.FormatBool(suggestedOnly)}}
	err = c.getLarge(ctx, server, path("federation/v1/hierarchy", roomID), query, maxEventsAnswer, &a)
	return a, err
}

// TimestampToEvent implements homeserver.Remote.
func (c *Client) TimestampToEvent(ctx context.Context, server, roomID string, at int64, backward bool) (m homeserver.Moment, err error) {
	query := url.Values{"ts": {strconv.FormatInt(at, 10)}, "dir": {"f"}}
	if backward {
		query.Set("dir", "b")
	}
	err = c.get(ctx, server, path("federation/v1/timestamp_to_event", roomID), query, &m)
	return m, err
}
