package federation

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"meshsim/homeserver"
	"meshsim/matrix"
	"meshsim/matrix/event"
)

// sendJoin makes and sends a join of @u:b to a room of a, with a query after the path.
func sendJoin(m *mesh, roomID, query string) homeserver.JoinAnswer {
	m.t.Helper()
	client := m.peers["b"].Sender.client
	template, err := client.MakeJoin(m.t.Context(), "a", roomID, "@u:b", matrix.RoomVersions())
	if err != nil {
		m.t.Fatal(err)
	}
	version, err := matrix.LookupRoomVersion(template.RoomVersion)
	if err != nil {
		m.t.Fatal(err)
	}
	var b event.Builder
	if err := json.Unmarshal(template.Event, &b); err != nil {
		m.t.Fatal(err)
	}
	id := client.identity
	pdu, err := b.Build(version, matrix.ServerName(id.Name), matrix.KeyID(id.KeyID), id.Key, time.Now())
	if err != nil {
		m.t.Fatal(err)
	}
	uri := path("federation/v2/send_join", roomID, string(pdu.ID())) + query
	req, err := client.request(m.t.Context(), call{method: http.MethodPut, server: "a", path: uri, body: pdu.JSON()})
	if err != nil {
		m.t.Fatal(err)
	}
	req.RequestURI = uri
	rec := httptest.NewRecorder()
	m.peers["a"].Handler.ServeHTTP(rec, req)
	var answer homeserver.JoinAnswer
	if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil || rec.Code != http.StatusOK {
		m.t.Fatalf("send_join: %d %s", rec.Code, rec.Body)
	}
	return answer
}

// fill puts local users into a room of a.
func fill(m *mesh, roomID string, n int) {
	m.t.Helper()
	a := m.server("a")
	for i := range n {
		user, err := a.AddAccount(homeserver.Credential{Localpart: fmt.Sprintf("m%02d", i)})
		if err == nil {
			err = a.Join(m.t.Context(), user, roomID, nil, nil)
		}
		if err != nil {
			m.t.Fatal(err)
		}
	}
}

// A server that can do without the members of a large room is spared them, but not what the state rests on.
func TestJoinWithoutMembers(t *testing.T) {
	for _, version := range matrix.RoomVersions() {
		for _, named := range []bool{false, true} {
			inMesh(t, func(t *testing.T, m *mesh) {
				roomID := publicRoom(t, m.server("a"), version)
				if named {
					if _, err := m.server("a").Send(t.Context(), homeserver.Draft{
						RoomID: roomID, Sender: "@u:a", Type: matrix.TypeName, StateKey: event.StateKey(""), Content: json.RawMessage(`{"name":"x"}`),
					}); err != nil {
						t.Fatal(err)
					}
				}
				fill(m, roomID, maxWhole+5)
				answer := sendJoin(m, roomID, "?omit_members=true")
				if !answer.MembersOmitted || fmt.Sprint(answer.ServersInRoom) != "[a]" {
					t.Errorf("members_omitted %v, servers_in_room %v", answer.MembersOmitted, answer.ServersInRoom)
				}
				members := count(answer.State, `"m.room.member"`)
				if want := map[bool]int{false: 5, true: 0}[named]; members != want {
					t.Errorf("named %v: %d members are told, want %d", named, members, want)
				}
				complete(t, answer, version)
			}, "a", "b")
		}
	}
}

// maxWhole is how many members are told all the same.
const maxWhole = 20

func TestJoinWithMembers(t *testing.T) {
	for slug, c := range map[string]struct {
		members int
		query   string
	}{"small": {5, "?omit_members=true"}, "not-asked-for": {maxWhole + 5, ""}, "refused": {maxWhole + 5, "?omit_members=" + url.QueryEscape("false")}} {
		inMesh(t, func(t *testing.T, m *mesh) {
			roomID := publicRoom(t, m.server("a"), "12")
			fill(m, roomID, c.members)
			answer := sendJoin(m, roomID, c.query)
			if answer.MembersOmitted || count(answer.State, `"m.room.member"`) != c.members+1 {
				t.Errorf("%s: members_omitted %v, %d members", slug, answer.MembersOmitted, count(answer.State, `"m.room.member"`))
			}
			complete(t, answer, "12")
		}, "a", "b")
	}
}

func count(raws []json.RawMessage, text string) (n int) {
	for _, raw := range raws {
		if strings.Contains(string(raw), text) {
			n++
		}
	}
	return n
}

// complete says that every auth event is in the answer.
func complete(t *testing.T, answer homeserver.JoinAnswer, versionID string) {
	t.Helper()
	version, err := matrix.LookupRoomVersion(versionID)
	if err != nil {
		t.Fatal(err)
	}
	known := map[matrix.EventID]bool{}
	var all []*event.PDU
	for _, list := range [][]json.RawMessage{answer.State, answer.AuthChain, {answer.Event}} {
		for _, raw := range list {
			pdu, err := event.Parse(raw, version)
			if err != nil {
				t.Fatal(err)
			}
			if known[pdu.ID()] && answer.MembersOmitted {
				t.Errorf("%s is told twice", pdu.Type())
			}
			known[pdu.ID()] = true
			all = append(all, pdu)
		}
	}
	for _, pdu := range all {
		for _, id := range pdu.AuthEvents() {
			if !known[id] {
				t.Errorf("auth event %s of %s is missing", id, pdu.Type())
			}
		}
	}
}
