package federation

import (
	"context"
	"net/http"

	"meshsim/homeserver"
)

// exchangeThirdPartyInvite issues the invite of an address whose owner is known now.
func (h *Handler) exchangeThirdPartyInvite(req asked) (any, error) {
	var invite homeserver.ThirdPartyInvite
	if err := decode(req.body, &invite); err != nil {
		return nil, err
	}
	return empty{}, h.server.ExchangeThirdPartyInvite(req.Context(), req.origin, req.PathValue("room"), invite)
}

// onBind is told by an identity server that an address is one of this server's users.
func (h *Handler) onBind(req asked) (any, error) {
	var pending homeserver.PendingInvites
	if err := decode(req.body, &pending); err != nil {
		return nil, err
	}
	return empty{}, h.server.FollowInvites(req.Context(), pending)
}

// ExchangeThirdPartyInvite implements homeserver.Remote.
func (c *Client) ExchangeThirdPartyInvite(ctx context.Context, server, roomID string, invite homeserver.ThirdPartyInvite) error {
	return c.with(ctx, http.MethodPut, server, path("federation/v1/exchange_third_party_invite", roomID), invite, 0, nil)
}
