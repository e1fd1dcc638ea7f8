package federation

import (
	"net/http"

	"meshsim/homeserver"
)

// userRoutes are the endpoints that no homeserver needs to keep a room: about users, media and finding rooms.
func (h *Handler) userRoutes() {
	v1 := "/_matrix/federation/v1"
	h.mux.Handle(v1+"/openid/userinfo", methods{http.MethodGet: h.open(h.userInfo)})
	h.mux.Handle(v1+"/3pid/onbind", methods{http.MethodPut: h.unsigned(maxQuery*2, h.onBind)})
	for path, m := range map[string]methods{
		v1 + "/exchange_third_party_invite/{room}": {http.MethodPut: h.signed(maxQuery, h.exchangeThirdPartyInvite)},

		v1 + "/user/devices/{user}":       {http.MethodGet: h.signed(0, h.devices)},
		v1 + "/user/keys/query":           {http.MethodPost: h.signed(maxBody, h.userKeys)},
		v1 + "/user/keys/claim":           {http.MethodPost: h.signed(maxBody, h.claimKeys)},
		v1 + "/media/download/{media}":    {http.MethodGet: h.signed(0, h.media)},
		v1 + "/make_knock/{room}/{user}":  {http.MethodGet: h.signed(0, h.makeKnock)},
		v1 + "/send_knock/{room}/{event}": {http.MethodPut: h.signed(maxQuery*2, h.sendKnock)},
		v1 + "/publicRooms":               {http.MethodGet: h.signed(0, h.publicRooms), http.MethodPost: h.signed(maxQuery, h.searchPublicRooms)},
		v1 + "/hierarchy/{room}":          {http.MethodGet: h.signed(0, h.hierarchy)},
		v1 + "/timestamp_to_event/{room}": {http.MethodGet: h.signed(0, h.timestampToEvent)},
		v1 + "/media/thumbnail/{media}":   {http.MethodGet: h.signed(0, h.thumbnail)},
	} {
		h.mux.Handle(path, m)
	}
}

func (h *Handler) devices(req asked) (any, error) {
	return h.server.ServeDevices(req.PathValue("user"))
}

// keysQuery is the body of user/keys/query.
type keysQuery struct {
	Devices homeserver.KeyQuery `json:"device_keys"`
}

// keysClaim is the body of user/keys/claim.
type keysClaim struct {
	Keys homeserver.KeyClaim `json:"one_time_keys"`
}

func (h *Handler) userKeys(req asked) (any, error) {
	var in keysQuery
	if err := decode(req.body, &in); err != nil {
		return nil, err
	}
	return h.server.ServeKeys(in.Devices), nil
}

func (h *Handler) claimKeys(req asked) (any, error) {
	var in keysClaim
	if err := decode(req.body, &in); err != nil {
		return nil, err
	}
	return h.server.ServeClaim(in.Keys), nil
}
