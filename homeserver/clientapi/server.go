package clientapi

import (
	"cmp"

	"meshsim/matrix"
)

// versions lists the versions whose endpoints clients find here; the package comment says what of them is not there.
// From 1.11 on, clients ask for media with their access token. 1.18 wants redactions to be sent as events, and servers
// that ask policy servers.
func versions(*call) (any, error) {
	return map[string]any{
		"versions": []string{
			"r0.6.0", "r0.6.1", "v1.1", "v1.2", "v1.3", "v1.4", "v1.5", "v1.6", "v1.7", "v1.8", "v1.9", "v1.10", "v1.11",
			"v1.12", "v1.13", "v1.14", "v1.15", "v1.16", "v1.17",
		},
		"unstable_features": map[string]bool{"org.matrix.simplified_msc3575": true},
	}, nil
}

// wellKnown leads a client to the address that it asked at.
func wellKnown(c *call) (any, error) {
	scheme := "http"
	if c.r.TLS != nil {
		scheme = "https"
	}
	host := cmp.Or(c.r.Host, c.server.Name())
	return map[string]any{"m.homeserver": map[string]string{"base_url": scheme + "://" + host}}, nil
}

func capabilities(*call) (any, error) {
	available := map[string]string{}
	for _, version := range matrix.RoomVersions() {
		available[version] = "stable"
	}
	return map[string]any{"capabilities": map[string]any{
		"m.room_versions":   map[string]any{"default": matrix.DefaultRoomVersion, "available": available},
		"m.change_password": map[string]bool{"enabled": true},
		"m.set_displayname": map[string]bool{"enabled": true},
		"m.set_avatar_url":  map[string]bool{"enabled": true},
		"m.3pid_changes":    map[string]bool{"enabled": false},
		"m.get_login_token": map[string]bool{"enabled": false},
		"m.profile_fields":  map[string]bool{"enabled": true},
	}}, nil
}

// turnServer: there is none, which an empty answer says.
func turnServer(*call) (any, error) { return empty{}, nil }

// thirdParties: no bridges.
func thirdParties(*call) (any, error) { return empty{}, nil }

// threePIDs: no e-mail addresses or telephone numbers.
func threePIDs(*call) (any, error) { return map[string][]string{"threepids": {}}, nil }
