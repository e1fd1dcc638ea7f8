package clientapi

import (
	"time"

	"meshsim/homeserver"
	"meshsim/matrix"
)

// shownPresence is the presence of a user (client-server API, m.presence).
type shownPresence struct {
	State     string `json:"presence"`
	Status    string `json:"status_msg,omitempty"`
	ActiveAgo *int64 `json:"last_active_ago,omitempty"` // ms
	Active    bool   `json:"currently_active,omitempty"`
}

func showPresence(p homeserver.Presence) shownPresence {
	shown := shownPresence{State: p.State, Status: p.Status, Active: p.State == homeserver.Online}
	if !p.LastActive.IsZero() {
		ago := time.Since(p.LastActive).Milliseconds()
		shown.ActiveAgo = &ago
	}
	return shown
}

// getPresence says what is known; users of this server of whom nothing is known are offline.
func getPresence(c *call) (any, error) {
	user := c.vars["userId"]
	if _, err := matrix.ParseUserID(user); err != nil {
		return nil, invalid("%v", err)
	}
	presence, known := c.server.PresenceOf(user)
	if !known && !c.server.HasUser(user) {
		return nil, notFound("this server knows no presence of %s", user)
	}
	if !known {
		presence.State = homeserver.Offline
	}
	return showPresence(presence), nil
}

// putPresence notes what the user says; a server without presence forgets it.
func putPresence(c *call) (any, error) {
	if err := c.own("userId"); err != nil {
		return nil, err
	}
	var in struct {
		Presence string  `json:"presence"`
		Status   *string `json:"status_msg"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if !homeserver.ValidPresence(in.Presence) {
		return nil, invalid("presence %q: must be online, offline or unavailable", in.Presence)
	}
	if in.Status != nil {
		if err := checkChosen("status_msg", *in.Status); err != nil {
			return nil, err
		}
	}
	c.server.SetPresence(c.user(), in.Presence, in.Status)
	return empty{}, nil
}

// presenceEvent is an m.presence event of a sync.
type presenceEvent struct {
	Type    string        `json:"type"`
	Sender  string        `json:"sender"`
	Content shownPresence `json:"content"`
}

func (s *syncing) presence(changed []homeserver.Presence) *eventList {
	var events []any
	for _, p := range changed {
		if s.filter.Presence.allows("m.presence", p.User) {
			events = append(events, presenceEvent{"m.presence", p.User, showPresence(p)})
		}
	}
	return listOf(events)
}
