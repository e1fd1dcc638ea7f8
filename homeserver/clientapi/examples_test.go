package clientapi_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
)

// exemplary is a server with what the specification's examples speak of.
type exemplary struct {
	*client
	room, event string
}

func newExemplary(t *testing.T) *exemplary {
	server, api := newServer(t, "hs0")
	e := &exemplary{client: newClient(t, server, api, "alice")}
	newClient(t, server, api, "bob")
	e.room = e.createRoom(object{"preset": "public_chat"})
	e.event = e.say(e.room, "exemplary")
	return e
}

// fit puts the names of this server in place of those that an example has made up.
func (e *exemplary) fit(text string) string {
	return strings.NewReplacer(
		"{userId}", esc(e.user), "{roomId}", esc(e.room), "{roomIdOrAlias}", esc(e.room), "{eventId}", esc(e.event), "{deviceId}", e.device,
		"{roomAlias}", "%23exemplary:hs0", "{receiptType}", "m.read", "{kind}", "content", "{ruleId}", "exemplary", "{keyName}", "displayname",
		"{eventType}/{stateKey}", "m.room.member/"+esc(e.user), "{eventType}", "m.room.message", "{txnId}", "1", "{version}", "1",
		"!abnjk1jdasj98:capuchins.com", e.room, "@cheeky_monkey:matrix.org", "@bob:hs0", "mxc://localhost/SEsfnsuifSDFSSEF", "mxc://hs0/x",
		"$somewhere:example.org", e.event, "$elsewhere:example.org", e.event, `"new_version":"2"`, `"new_version":"11"`,
		"@alice:example.com", e.user, "JLAFKJWSCS", e.device, `"m.federate":false`, `"m.federate":true`,
		"{", "", "}", "",
	).Replace(text)
}

// answeredOtherwise are the examples that are understood and all the same not answered with 200: the status, the errcode
// and what else must be in the answer say why.
var answeredOtherwise = map[string][]string{
	// How the examples prove who one is is made up.
	"POST /_matrix/client/v3/account/deactivate":         {"401", "flows"},
	"POST /_matrix/client/v3/account/password":           {"401", "flows"},
	"DELETE /_matrix/client/v3/devices/{deviceId}":       {"401", "flows"},
	"POST /_matrix/client/v3/delete_devices":             {"401", "flows"},
	"POST /_matrix/client/v3/register":                   {"401", "flows"},
	"POST /_matrix/client/v3/login":                      {"403", "M_FORBIDDEN"},
	"POST /_matrix/client/v3/refresh":                    {"401", "M_UNKNOWN_TOKEN"},
	"POST /_matrix/client/v3/keys/device_signing/upload": {"400", "M_INVALID_SIGNATURE"},
	// What they are about would have to be there first.
	"POST /_matrix/client/v3/rooms/{roomId}/kick":                     {"403", "has the membership"},
	"POST /_matrix/client/v3/rooms/{roomId}/unban":                    {"403", "has the membership"},
	"POST /_matrix/client/v3/knock/{roomIdOrAlias}":                   {"403", "M_FORBIDDEN"},
	"PUT /_matrix/client/v3/pushrules/global/{kind}/{ruleId}/enabled": {"404", "no push rule"},
	"PUT /_matrix/client/v3/pushrules/global/{kind}/{ruleId}/actions": {"404", "no push rule"},
	"PUT /_matrix/client/v3/room_keys/version/{version}":              {"404", "M_NOT_FOUND"},
	"PUT /_matrix/client/v3/room_keys/keys/{roomId}/{sessionId}":      {"400", "which backup"},
	"PUT /_matrix/client/v3/room_keys/keys/{roomId}":                  {"400", "which backup"},
	"PUT /_matrix/client/v3/room_keys/keys":                           {"400", "which backup"},
}

// Every example of a request's body is understood. It is sent as it stands, but for the names in it.
func TestExamples(t *testing.T) {
	for _, spec := range specification() {
		if whyAbsent(spec) != "" {
			continue
		}
		for _, example := range spec.Request.Examples {
			e := newExemplary(t)
			var compact strings.Builder
			if err := json.NewEncoder(&compact).Encode(json.RawMessage(example)); err != nil {
				t.Fatal(err)
			}
			body := strings.TrimSpace(compact.String())
			for _, name := range []string{
				"!abnjk1jdasj98:capuchins.com", "@cheeky_monkey:matrix.org", "$somewhere:example.org", "$elsewhere:example.org",
				`"new_version":"2"`, "@alice:example.com", "JLAFKJWSCS",
			} {
				body = strings.ReplaceAll(body, name, e.fit(name))
			}
			status, answer := e.raw(t.Context(), spec.Method, e.fit(spec.Path), body)
			want := answeredOtherwise[spec.String()]
			if strings.Contains(body, "id_server") && strings.HasSuffix(spec.Path, "/invite") {
				want = []string{"400", "M_THREEPID_DENIED"} // invites of addresses need an identity server
			}
			if len(want) == 0 {
				want = []string{"200", ""}
			}
			if strconv.Itoa(status) != want[0] || !strings.Contains(string(answer), want[1]) {
				t.Errorf("%s %s: answered %d %s, want %s", spec, body, status, answer, want)
			}
		}
	}
}
