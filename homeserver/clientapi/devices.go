package clientapi

import (
	"encoding/json"
	"slices"
	"strings"

	"meshsim/homeserver"
)

// shownDevice has every member that the specification knows, because some clients insist on them: what is
// not known is empty.
type shownDevice struct {
	ID       string `json:"device_id"`
	Name     string `json:"display_name"`
	LastSeen int64  `json:"last_seen_ts"` // ms since the epoch
	LastIP   string `json:"last_seen_ip"` // not kept
}

func showDevice(d homeserver.DeviceInfo) shownDevice {
	return shownDevice{ID: d.ID, Name: d.Name, LastSeen: d.LastSeen.UnixMilli()}
}

func listDevices(c *call) (any, error) {
	devices, err := c.server.Devices(c.user())
	if err != nil {
		return nil, err
	}
	shown := make([]shownDevice, len(devices))
	for i, device := range devices {
		shown[i] = showDevice(device)
	}
	slices.SortFunc(shown, func(a, b shownDevice) int { return strings.Compare(a.ID, b.ID) })
	return map[string]any{"devices": shown}, nil
}

func getDevice(c *call) (any, error) {
	device, err := c.server.DeviceOf(c.user(), c.vars["deviceId"])
	if err != nil {
		return nil, err
	}
	return showDevice(device), nil
}

func putDevice(c *call) (any, error) {
	var in struct {
		Name *string `json:"display_name"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.Name == nil {
		_, err := c.server.DeviceOf(c.user(), c.vars["deviceId"])
		return empty{}, err
	}
	if err := checkChosen("display_name", *in.Name); err != nil {
		return nil, err
	}
	return empty{}, c.server.RenameDevice(c.user(), c.vars["deviceId"], *in.Name)
}

func deleteDevice(c *call) (any, error) {
	return c.deleteDevices(func(json.RawMessage) ([]string, error) {
		return []string{c.vars["deviceId"]}, nil
	})
}

func deleteDevices(c *call) (any, error) {
	return c.deleteDevices(func(body json.RawMessage) ([]string, error) {
		var in struct {
			Devices []string `json:"devices"`
		}
		if err := decodeJSON(body, &in); err != nil {
			return nil, err
		}
		if in.Devices == nil {
			return nil, missing("the request does not say which devices")
		}
		return in.Devices, nil
	})
}

// deleteDevices logs devices out once the user has given their password.
func (c *call) deleteDevices(which func(body json.RawMessage) ([]string, error)) (any, error) {
	body, err := c.body()
	if err != nil {
		return nil, err
	}
	devices, err := which(body)
	if err != nil {
		return nil, err
	}
	var in struct {
		Auth json.RawMessage `json:"auth"`
	}
	if err := decodeJSON(body, &in); err != nil {
		return nil, err
	}
	if err := c.interact(in.Auth, passwordStage, c.checkOwnPassword); err != nil {
		return nil, err
	}
	if len(devices) > 0 {
		c.server.Logout(c.user(), devices...)
	}
	return empty{}, nil
}
