package clientapi

import (
	"net/http"

	"meshsim/homeserver"
	"meshsim/matrix"
)

// Types of account data that have endpoints of their own (client-server API, client config).
const (
	fullyRead = "m.fully_read"
	pushRule  = "m.push_rules"
)

func getAccountData(c *call) (any, error) {
	if err := c.own("userId"); err != nil {
		return nil, err
	}
	if c.vars["type"] == pushRule && c.vars["roomId"] == "" {
		return pushRules(c), nil
	}
	return c.server.AccountDataOf(c.user(), c.vars["roomId"], c.vars["type"])
}

func putAccountData(c *call) (any, error) {
	if err := c.own("userId"); err != nil {
		return nil, err
	}
	kind := c.vars["type"]
	if kind == fullyRead || kind == pushRule {
		return nil, errorf(http.StatusMethodNotAllowed, "M_BAD_JSON", "%s cannot be set as account data: it has an endpoint of its own", kind)
	}
	content, err := c.body()
	if err != nil {
		return nil, err
	}
	return c.setAccountData(kind, content)
}

func (c *call) setAccountData(kind string, content []byte) (any, error) {
	roomID := c.vars["roomId"]
	if roomID != "" {
		if _, err := matrix.ParseRoomID(roomID); err != nil {
			return nil, invalid("%v", err)
		}
	}
	return empty{}, c.server.SetAccountData(c.user(), homeserver.AccountData{RoomID: roomID, Type: kind, Content: content})
}
