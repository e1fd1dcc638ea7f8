package federation

import (
	"net/http"

	"meshsim/homeserver"
)

// userRoutes are the endpoints about users and what they uploaded, not about rooms.
func (h *Handler) userRoutes() {
	v1 := "/_matrix/federation/v1"
	for path, m := range map[string]methods{
		v1 + "/user/devices/{user}":     {http.MethodGet: h.signed(0, h.devices)},
		v1 + "/user/keys/query":         {http.MethodPost: h.signed(maxBody, h.userKeys)},
		v1 + "/user/keys/claim":         {http.MethodPost: h.signed(maxBody, h.claimKeys)},
		v1 + "/media/download/{media}":  {http.MethodGet: h.signed(0, h.media)},
		v1 + "/media/thumbnail/{media}": {http.MethodGet: h.signed(0, h.thumbnail)},
	} {
		h.mux.Handle(path, m)
	}
}

func (h *Handler) devices(req asked) (any, error) {
	return h.server.ServeDevices(req.PathValue("user"))
}

func (h *Handler) userKeys(req asked) (any, error) {
	var in struct {
		Devices homeserver.KeyQuery `json:"device_keys"`
	}
	if err := decode(req.body, &in); err != nil {
		return nil, err
	}
	return h.server.ServeKeys(in.Devices), nil
}

func (h *Handler) claimKeys(req asked) (any, error) {
	var in struct {
		Keys homeserver.KeyClaim `json:"one_time_keys"`
	}
	if err := decode(req.body, &in); err != nil {
		return nil, err
	}
	return h.server.ServeClaim(in.Keys), nil
}
