package federation

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"meshsim/homeserver"
	"meshsim/matrix"
	"meshsim/matrix/event"
)

// identityServer stands for an identity server: it has a key, and signs that an address is a user's.
type identityServer struct {
	t   *testing.T
	key ed25519.PrivateKey
}

func newIdentityServer(t *testing.T) identityServer {
	return identityServer{t, ed25519.NewKeyFromSeed([]byte(strings.Repeat("i", ed25519.SeedSize)))}
}

// offered invites an address to a room of a.
func (i identityServer) offered(s *homeserver.Server, roomID string) {
	i.t.Helper()
	public := matrix.EncodeBase64(i.key.Public().(ed25519.PublicKey))
	content := fmt.Sprintf(`{"display_name":"b...@example.org","key_validity_url":"https://id/valid","public_key":%q,"public_keys":[{"public_key":%q}]}`, public, public)
	if _, err := s.Send(context.Background(), homeserver.Draft{
		RoomID: roomID, Sender: "@u:a", Type: matrix.TypeThirdPartyInvite, StateKey: event.StateKey("token"), Content: json.RawMessage(content),
	}); err != nil {
		i.t.Fatal(err)
	}
}

func (i identityServer) signed(user string) json.RawMessage {
	i.t.Helper()
	raw, err := matrix.SignJSON(fmt.Appendf(nil, `{"mxid":%q,"token":"token"}`, user), "id", "ed25519:0", i.key)
	if err != nil {
		i.t.Fatal(err)
	}
	return raw
}

// bound tells b that the address is a user's.
func (i identityServer) bound(m *mesh, roomID, user string, signed json.RawMessage) *httptest.ResponseRecorder {
	i.t.Helper()
	raw, err := json.Marshal(homeserver.PendingInvites{
		Medium: "email", Address: "b@example.org", MXID: user,
		Invites: []homeserver.PendingInvite{{
			Medium: "email", Address: "b@example.org", MXID: user, RoomID: roomID, Sender: "@u:a", Signed: signed,
		}},
	})
	if err != nil {
		i.t.Fatal(err)
	}
	return ask(m, http.MethodPut, "/_matrix/federation/v1/3pid/onbind", string(raw))
}

// Whoever was invited by their address is invited by their name once the identity server knows it, and can join.
func TestThirdPartyInvite(t *testing.T) {
	for _, version := range matrix.RoomVersions() {
		inMesh(t, func(t *testing.T, m *mesh) {
			a, b := m.server("a"), m.server("b")
			roomID, err := a.CreateRoom(context.Background(), homeserver.NewRoom{Creator: "@u:a", Version: version})
			if err != nil {
				t.Fatal(err)
			}
			i := newIdentityServer(t)
			i.offered(a, roomID)
			if rec := i.bound(m, roomID, "@u:b", i.signed("@u:b")); rec.Code != http.StatusOK {
				t.Fatalf("onbind: %d %s", rec.Code, rec.Body)
			}
			if got := membership(b, roomID); got != "invite" {
				t.Fatalf("version %s: the user is %q", version, got)
			}
			join(t, b, roomID, "a")
			if room(t, a, roomID).State().Membership("@u:b") != matrix.Join {
				t.Error("the join is not known")
			}
		}, "a", "b")
	}
}

// What the identity server has not signed invites nobody.
func TestThirdPartyInviteForged(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.server("a"), m.server("b")
		roomID := privateRoom(t, a)
		i := newIdentityServer(t)
		i.offered(a, roomID)
		forger := identityServer{t, ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))}
		for slug, signed := range map[string]json.RawMessage{
			"by-another":  forger.signed("@u:b"),
			"for-another": i.signed("@u:c"),
			"not-at-all":  json.RawMessage(`{"mxid":"@u:b","token":"token"}`),
			"nothing":     json.RawMessage(`7`),
		} {
			if rec := i.bound(m, roomID, "@u:b", signed); rec.Code != http.StatusOK {
				t.Errorf("%s: onbind answered %d %s", slug, rec.Code, rec.Body)
			}
			if got := membership(b, roomID); got != "" {
				t.Errorf("%s: the user is %q", slug, got)
			}
		}
		if rec := i.bound(m, roomID, "@nobody:b", i.signed("@nobody:b")); rec.Code != http.StatusNotFound {
			t.Errorf("for nobody: %d %s", rec.Code, rec.Body)
		}
	}, "a", "b")
}

func TestExchangeThirdPartyInviteRefuses(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a := m.server("a")
		roomID := privateRoom(t, a)
		i := newIdentityServer(t)
		i.offered(a, roomID)
		content := json.RawMessage(fmt.Sprintf(`{"membership":"invite","third_party_invite":{"display_name":"b","signed":%s}}`, i.signed("@u:b")))
		right := homeserver.ThirdPartyInvite{Type: matrix.TypeMember, RoomID: roomID, Sender: "@u:a", StateKey: "@u:b", Content: content}
		for slug, change := range map[string]func(*homeserver.ThirdPartyInvite){
			"other-room":   func(i *homeserver.ThirdPartyInvite) { i.RoomID = "!other:a" },
			"other-type":   func(i *homeserver.ThirdPartyInvite) { i.Type = matrix.TypeMessage },
			"other-server": func(i *homeserver.ThirdPartyInvite) { i.Sender = "@u:b" },
			"other-user":   func(i *homeserver.ThirdPartyInvite) { i.StateKey = "@u:c" },
			"no-invite":    func(i *homeserver.ThirdPartyInvite) { i.Content = json.RawMessage(`{"membership":"join"}`) },
			"no-object":    func(i *homeserver.ThirdPartyInvite) { i.Content = json.RawMessage(`7`) },
		} {
			wrong := right
			change(&wrong)
			if err := m.peers["b"].Sender.client.ExchangeThirdPartyInvite(context.Background(), "a", roomID, wrong); err == nil {
				t.Errorf("%s: accepted", slug)
			}
		}
		if err := m.peers["b"].Sender.client.ExchangeThirdPartyInvite(context.Background(), "a", roomID, right); err != nil {
			t.Errorf("the right one: %v", err)
		}
	}, "a", "b")
}
