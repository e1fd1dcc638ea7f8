package federation

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"meshsim/homeserver"
	"meshsim/matrix"
)

// empty is the answer that says nothing.
type empty struct{}

// versionAnswer says which implementation this is.
type versionAnswer struct {
	Server struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	} `json:"server"`
}

func (h *Handler) version(asked) (any, error) {
	var answer versionAnswer
	answer.Server.Name, answer.Server.Version = "meshsim", "1"
	return answer, nil
}

func (h *Handler) keys(asked) (any, error) { return h.identity.keyDocument(time.Now()) }

// send takes a transaction. What a PDU does is told in the answer; a PDU that is dropped is no failure of the
// transaction. The work goes on when the other server stops waiting: it will ask again.
func (h *Handler) send(req asked) (any, error) {
	var t incoming
	if err := decode(req.body, &t); err != nil {
		return nil, err
	}
	if err := t.check(); err != nil {
		return nil, err
	}
	ctx := context.WithoutCancel(req.Context())
	return h.txns.once(req.Context(), req.origin, req.PathValue("txn"), func() transactionAnswer {
		answer := transactionAnswer{PDUs: map[string]pduResult{}}
		for id, err := range h.server.Receive(ctx, req.origin, t.PDUs) {
			result := pduResult{}
			if err != nil {
				result.Error = err.Error()
			}
			answer.PDUs[id] = result
		}
		h.server.ReceiveEDUs(req.origin, t.EDUs)
		return answer
	})
}

func (h *Handler) makeJoin(req asked) (any, error) {
	versions := req.URL.Query()["ver"]
	if len(versions) == 0 {
		versions = []string{"1"} // the specification's default
	}
	return h.server.TemplateJoin(req.origin, req.PathValue("room"), req.PathValue("user"), versions)
}

func (h *Handler) sendJoin(req asked) (any, error) {
	brief := req.URL.Query().Get("omit_members") == "true"
	return h.server.AcceptJoin(req.Context(), req.origin, req.PathValue("room"), req.PathValue("event"), req.body, brief)
}

// sendJoin1 answers the first version of send_join, which wraps the answer in an array with the status.
func (h *Handler) sendJoin1(req asked) (any, error) {
	answer, err := h.sendJoin(req)
	return []any{200, answer}, err
}

func (h *Handler) makeLeave(req asked) (any, error) {
	return h.server.TemplateLeave(req.origin, req.PathValue("room"), req.PathValue("user"))
}

func (h *Handler) sendLeave(req asked) (any, error) {
	return empty{}, h.server.AcceptLeave(req.Context(), req.origin, req.PathValue("room"), req.PathValue("event"), req.body)
}

func (h *Handler) sendLeave1(req asked) (any, error) {
	answer, err := h.sendLeave(req)
	return []any{200, answer}, err
}

type eventAnswer struct {
	Event json.RawMessage `json:"event"`
}

func (h *Handler) invite(req asked) (any, error) {
	var invite homeserver.InviteRequest
	if err := decode(req.body, &invite); err != nil {
		return nil, err
	}
	signed, err := h.server.AcceptInvite(req.Context(), req.origin, req.PathValue("room"), req.PathValue("event"), invite)
	return eventAnswer{signed}, err
}

// invite1 answers the first version of invite, which is for room versions 1 and 2 only.
func (h *Handler) invite1(asked) (any, error) {
	return nil, &homeserver.Error{
		Kind: homeserver.IncompatibleVersion, RoomVersion: "1",
		Message: "this server supports no room version that has invites of version 1: use version 2",
	}
}

func (h *Handler) event(req asked) (any, error) {
	raw, err := h.server.ServeEvent(req.origin, req.PathValue("event"))
	return h.list([]json.RawMessage{raw}), err
}

func (h *Handler) list(pdus []json.RawMessage) pduList {
	return pduList{Origin: h.identity.Name, OriginServerTS: time.Now().UnixMilli(), PDUs: pdus}
}

func (h *Handler) state(req asked) (any, error) {
	return h.server.ServeState(req.origin, req.PathValue("room"), req.URL.Query().Get("event_id"))
}

func (h *Handler) stateIDs(req asked) (any, error) {
	return h.server.ServeStateIDs(req.origin, req.PathValue("room"), req.URL.Query().Get("event_id"))
}

func (h *Handler) eventAuth(req asked) (any, error) {
	chain, err := h.server.ServeEventAuth(req.origin, req.PathValue("room"), req.PathValue("event"))
	return authChain{chain}, err
}

func (h *Handler) backfill(req asked) (any, error) {
	query := req.URL.Query()
	limit, err := strconv.Atoi(query.Get("limit"))
	if err != nil || limit < 1 {
		return nil, badRequest("limit is %q: it must be a number from 1 on", query.Get("limit"))
	}
	pdus, err := h.server.ServeBackfill(req.origin, req.PathValue("room"), query["v"], limit)
	return h.list(pdus), err
}

func (h *Handler) missingEvents(req asked) (any, error) {
	q := homeserver.MissingQuery{Limit: 10} // the specification's default
	if err := decode(req.body, &q); err != nil {
		return nil, err
	}
	events, err := h.server.ServeMissing(req.origin, req.PathValue("room"), q)
	return missingEvents{events}, err
}

func (h *Handler) profile(req asked) (any, error) {
	query := req.URL.Query()
	profile, err := h.server.LocalProfile(query.Get("user_id"))
	if err != nil {
		return nil, err
	}
	shown, ok := profile.Only(query.Get("field"))
	if !ok {
		return nil, &homeserver.Error{Kind: homeserver.NotFound, Message: fmt.Sprintf("%s has no %.40q", query.Get("user_id"), query.Get("field"))}
	}
	return shown, nil
}

// directory answers for this server's own aliases only.
func (h *Handler) directory(req asked) (any, error) {
	alias := req.URL.Query().Get("room_alias")
	if server := string(matrix.RoomAlias(alias).Server()); server != h.identity.Name {
		return nil, badRequest("%q is no room alias of %s", alias, h.identity.Name)
	}
	roomID, servers, err := h.server.ResolveAlias(req.Context(), alias)
	return homeserver.DirectoryAnswer{RoomID: roomID, Servers: servers}, err
}

// decode reads a body; unknown members are allowed, as the specification has it.
func decode(body json.RawMessage, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return &homeserver.Error{Kind: homeserver.BadRequest, Message: "the body is not of the right form", Err: err}
	}
	return nil
}

func badRequest(format string, args ...any) error {
	return &homeserver.Error{Kind: homeserver.InvalidParam, Message: fmt.Sprintf(format, args...)}
}
