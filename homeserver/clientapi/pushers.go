package clientapi

import (
	"encoding/json"
	"strings"

	"meshsim/homeserver"
)

// maxPusher bounds a pusher, in bytes; the pushkey and the app's id have their own bounds.
const (
	maxPusher  = 8 << 10
	maxPushKey = 512
	maxAppID   = 64
)

func getPushers(c *call) (any, error) {
	pushers := c.server.Pushers(c.user())
	if pushers == nil {
		pushers = []homeserver.Pusher{}
	}
	return map[string]any{"pushers": pushers}, nil
}

// setPusher adds, changes or, with kind null, removes a pusher.
func setPusher(c *call) (any, error) {
	var in struct {
		homeserver.Pusher
		Kind   *string `json:"kind"`
		Append bool    `json:"append"`
	}
	body, err := c.body()
	if err != nil {
		return nil, err
	}
	if err := decodeJSON(body, &in); err != nil {
		return nil, err
	}
	switch {
	case in.AppID == "" || in.Key == "":
		return nil, missing("the request lacks app_id or pushkey")
	case len(body) > maxPusher || len(in.Key) > maxPushKey || len(in.AppID) > maxAppID:
		return nil, invalid("a pusher has at most %d bytes, its pushkey %d and its app_id %d", maxPusher, maxPushKey, maxAppID)
	}
	if in.Kind == nil {
		return empty{}, c.server.DropPusher(c.user(), in.AppID, in.Key)
	}
	in.Pusher.Kind, in.Device = *in.Kind, c.device.ID
	if err := checkPusher(in.Pusher); err != nil {
		return nil, err
	}
	return empty{}, c.server.SetPusher(c.user(), in.Pusher, !in.Append)
}

func checkPusher(p homeserver.Pusher) error {
	if p.AppName == "" || p.DeviceName == "" || p.Lang == "" || len(p.Data) == 0 {
		return missing("the request lacks app_display_name, device_display_name, lang or data")
	}
	var data struct {
		URL string `json:"url"`
	}
	if json.Unmarshal(p.Data, &data) != nil {
		return badJSON("data must be an object")
	}
	if p.Kind == "http" && !strings.HasPrefix(data.URL, "https://") && !strings.HasPrefix(data.URL, "http://") {
		return missing("data.url is %.100q: a pusher of kind http needs a URL", data.URL)
	}
	return nil
}

// Bounds on a page of notifications.
const (
	defaultNotifications = 20
	maxNotifications     = 100
)

type notification struct {
	Actions []any  `json:"actions"`
	Event   any    `json:"event"`
	Read    bool   `json:"read"`
	RoomID  string `json:"room_id"`
	At      int64  `json:"ts"` // ms since the epoch
}

// notifications lists what the user's push rules bring to their attention, the newest first.
func notifications(c *call) (any, error) {
	limit, err := c.number("limit", defaultNotifications)
	if err != nil {
		return nil, err
	}
	before := c.server.Position() + 1
	if from := c.query("from"); from != "" {
		if before, err = parseToken("from", from); err != nil {
			return nil, err
		}
	}
	limit = max(1, min(limit, maxNotifications))
	judge := newJudge(c.user(), rulesOf(c.server, c.user()))
	highlighted := c.query("only") == "highlight"
	found := c.server.NotificationsBefore(c.user(), before, limit+1, func(entry homeserver.Entry) bool {
		notify, highlight := judge.of(entry)
		return notify && (highlight || !highlighted)
	})
	out := struct {
		Next string         `json:"next_token,omitempty"`
		All  []notification `json:"notifications"`
	}{All: []notification{}}
	for i, n := range found {
		if i == limit {
			out.Next = token(found[i-1].Entry.Position)
			break
		}
		out.All = append(out.All, notification{
			judge.rule(n.Entry).actions, c.presenter(n.Room).entry(n.Entry), n.Read, n.Room.ID(), n.Entry.Event.OriginServerTS(),
		})
	}
	return out, nil
}
