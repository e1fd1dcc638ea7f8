package eventauth_test

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"meshsim/matrix"
	"meshsim/matrix/event"
	"meshsim/matrix/event/eventtest"
	"meshsim/matrix/eventauth"
)

const (
	creator matrix.UserID = "@creator:hs1"
	mod     matrix.UserID = "@mod:hs1"
	plain   matrix.UserID = "@plain:hs2"
	other   matrix.UserID = "@other:hs2"
	nobody  matrix.UserID = "@nobody:hs2"
	banned  matrix.UserID = "@banned:hs2"
	guest   matrix.UserID = "@guest:hs2" // invited
	knocker matrix.UserID = "@knocker:hs2"
)

// world is a room with one user of each kind.
type world struct {
	*eventtest.Room
	state eventauth.Events
}

func newWorld(t *testing.T, version string, createContent map[string]any) *world {
	w := &world{Room: eventtest.New(t, version, creator, createContent)}
	w.state = eventauth.EventsOf(w.Create)
	for _, user := range []matrix.UserID{creator, mod, plain, other} {
		w.put(w.Member(user, user, matrix.Join))
	}
	w.put(w.Member(creator, banned, matrix.Ban))
	w.put(w.Member(creator, guest, matrix.Invite))
	w.put(w.Member(knocker, knocker, matrix.Knock))
	w.joinRule("invite")
	w.levels(nil)
	return w
}

func (w *world) put(p *event.PDU) { w.state[p.Key()] = p }

func (w *world) joinRule(rule string) {
	w.put(w.Event(matrix.TypeJoinRules, creator, map[string]any{"join_rule": rule}, eventtest.State("")))
}

// levels replaces the power levels: mod has 50, and the creator 100 where the version wants it said.
func (w *world) levels(change map[string]any) {
	w.put(w.powerLevels(creator, change))
}

func (w *world) powerLevels(sender matrix.UserID, change map[string]any) *event.PDU {
	users := map[string]any{string(mod): 50}
	if !w.Version.CreatorsPrivileged {
		users[string(creator)] = 100
	}
	content := map[string]any{
		"users": users, "events": map[string]any{"m.room.power_levels": 50, "high": 80}, "invite": 10,
		"notifications": map[string]any{"room": 60},
	}
	for key, value := range change {
		content[key] = value
	}
	return w.Event(matrix.TypePowerLevels, sender, content, eventtest.State(""))
}

// users is a users property with one change to those of levels; a nil level removes the entry.
func (w *world) users(user matrix.UserID, level any) map[string]any {
	users := map[string]any{string(mod): 50, string(user): level}
	if !w.Version.CreatorsPrivileged && user != creator {
		users[string(creator)] = 100
	}
	if level == nil {
		delete(users, string(user))
	}
	return map[string]any{"users": users}
}

func (w *world) member(sender, target matrix.UserID, content map[string]any) *event.PDU {
	return w.Event(matrix.TypeMember, sender, content, eventtest.State(string(target)))
}

func (w *world) restrictedJoin(via any) *event.PDU {
	w.joinRule("restricted")
	return w.member(nobody, nobody, map[string]any{"membership": "join", "join_authorised_via_users_server": via})
}

// ruleCase is an event and the rule that decides: a number in versions 10 and 11, one in 12; "" allows.
type ruleCase struct {
	name       string
	old, newer string
	make       func(w *world) *event.PDU
}

func stateCases() []ruleCase {
	return append(append(memberCases(), banAndKnockCases()...), otherCases()...)
}

func memberCases() []ruleCase {
	return []ruleCase{
		{"no-membership", "4.1", "5.1", func(w *world) *event.PDU { return w.member(plain, plain, map[string]any{}) }},
		{"no-state-key", "4.1", "5.1", func(w *world) *event.PDU {
			return w.Event(matrix.TypeMember, plain, map[string]any{"membership": "join"})
		}},
		{"authorised-via-no-user", "4.2.1", "5.2.1", func(w *world) *event.PDU { return w.restrictedJoin(7) }},
		{"first-join", "", "", func(w *world) *event.PDU {
			w.state = eventauth.EventsOf(w.Create)
			return w.Member(creator, creator, matrix.Join)
		}},
		{"first-join-of-another", "4.3.4", "5.3.4", func(w *world) *event.PDU {
			w.state = eventauth.EventsOf(w.Create)
			return w.Member(plain, plain, matrix.Join)
		}},
		{"first-join-after-more", "4.3.4", "5.3.4", func(w *world) *event.PDU {
			w.state = eventauth.EventsOf(w.Create)
			return w.Member(creator, creator, matrix.Join, eventtest.Prev(w.Create, w.Create))
		}},
		{"join-for-another", "4.3.2", "5.3.2", func(w *world) *event.PDU { return w.Member(plain, nobody, matrix.Join) }},
		{"join-while-banned", "4.3.3", "5.3.3", func(w *world) *event.PDU {
			w.joinRule("public")
			return w.Member(banned, banned, matrix.Join)
		}},
		{"join-invited", "", "", func(w *world) *event.PDU { return w.Member(guest, guest, matrix.Join) }},
		{"join-again", "", "", func(w *world) *event.PDU { return w.Member(plain, plain, matrix.Join) }},
		{"join-uninvited", "4.3.4", "5.3.4", func(w *world) *event.PDU { return w.Member(nobody, nobody, matrix.Join) }},
		{"join-knocked", "4.3.4", "5.3.4", func(w *world) *event.PDU {
			w.joinRule("knock")
			return w.Member(knocker, knocker, matrix.Join)
		}},
		{"join-restricted-invited", "", "", func(w *world) *event.PDU {
			w.joinRule("restricted")
			return w.Member(guest, guest, matrix.Join)
		}},
		{"join-restricted-authorised", "", "", func(w *world) *event.PDU { return w.restrictedJoin(mod) }},
		{"join-knock-restricted-authorised", "", "", func(w *world) *event.PDU {
			p := w.restrictedJoin(mod)
			w.joinRule("knock_restricted")
			return p
		}},
		{"join-restricted-by-the-powerless", "4.3.5.2", "5.3.5.2", func(w *world) *event.PDU { return w.restrictedJoin(plain) }},
		{"join-restricted-by-a-stranger", "4.3.5.2", "5.3.5.2", func(w *world) *event.PDU {
			w.levels(map[string]any{"invite": 0})
			return w.restrictedJoin(nobody)
		}},
		{"join-restricted-unauthorised", "4.3.5.2", "5.3.5.2", func(w *world) *event.PDU {
			w.joinRule("restricted")
			return w.Member(nobody, nobody, matrix.Join)
		}},
		{"join-public", "", "", func(w *world) *event.PDU {
			w.joinRule("public")
			return w.Member(nobody, nobody, matrix.Join)
		}},
		{"join-private", "4.3.7", "5.3.7", func(w *world) *event.PDU {
			w.joinRule("private")
			return w.Member(guest, guest, matrix.Join)
		}},
		{"invite", "", "", func(w *world) *event.PDU { return w.Member(mod, nobody, matrix.Invite) }},
		{"invite-by-a-stranger", "4.4.2", "5.4.2", func(w *world) *event.PDU { return w.Member(nobody, knocker, matrix.Invite) }},
		{"invite-the-joined", "4.4.3", "5.4.3", func(w *world) *event.PDU { return w.Member(mod, plain, matrix.Invite) }},
		{"invite-the-banned", "4.4.3", "5.4.3", func(w *world) *event.PDU { return w.Member(mod, banned, matrix.Invite) }},
		{"invite-without-power", "4.4.5", "5.4.5", func(w *world) *event.PDU { return w.Member(plain, nobody, matrix.Invite) }},
	}
}

func banAndKnockCases() []ruleCase {
	return []ruleCase{
		{"leave", "", "", func(w *world) *event.PDU { return w.Member(plain, plain, matrix.Leave) }},
		{"decline", "", "", func(w *world) *event.PDU { return w.Member(guest, guest, matrix.Leave) }},
		{"withdraw-knock", "", "", func(w *world) *event.PDU { return w.Member(knocker, knocker, matrix.Leave) }},
		{"leave-while-out", "4.5.1", "5.5.1", func(w *world) *event.PDU { return w.Member(nobody, nobody, matrix.Leave) }},
		{"leave-while-banned", "4.5.1", "5.5.1", func(w *world) *event.PDU { return w.Member(banned, banned, matrix.Leave) }},
		{"kick-by-a-stranger", "4.5.2", "5.5.2", func(w *world) *event.PDU { return w.Member(nobody, plain, matrix.Leave) }},
		{"unban-without-power", "4.5.3", "5.5.3", func(w *world) *event.PDU { return w.Member(plain, banned, matrix.Leave) }},
		{"unban", "", "", func(w *world) *event.PDU { return w.Member(mod, banned, matrix.Leave) }},
		{"unban-without-power-to-kick", "4.5.5", "5.5.5", func(w *world) *event.PDU {
			w.levels(map[string]any{"kick": 51})
			return w.Member(mod, banned, matrix.Leave)
		}},
		{"kick", "", "", func(w *world) *event.PDU { return w.Member(mod, plain, matrix.Leave) }},
		{"kick-without-power", "4.5.5", "5.5.5", func(w *world) *event.PDU { return w.Member(plain, other, matrix.Leave) }},
		{"kick-an-equal", "4.5.5", "5.5.5", func(w *world) *event.PDU {
			w.levels(w.users(plain, 50))
			return w.Member(mod, plain, matrix.Leave)
		}},
		{"kick-the-creator", "4.5.5", "5.5.5", func(w *world) *event.PDU { return w.Member(mod, creator, matrix.Leave) }},
		{"ban", "", "", func(w *world) *event.PDU { return w.Member(mod, plain, matrix.Ban) }},
		{"ban-an-outsider", "", "", func(w *world) *event.PDU { return w.Member(mod, nobody, matrix.Ban) }},
		{"ban-by-a-stranger", "4.6.1", "5.6.1", func(w *world) *event.PDU { return w.Member(nobody, plain, matrix.Ban) }},
		{"ban-without-power", "4.6.3", "5.6.3", func(w *world) *event.PDU { return w.Member(plain, other, matrix.Ban) }},
		{"ban-oneself", "4.6.3", "5.6.3", func(w *world) *event.PDU { return w.Member(mod, mod, matrix.Ban) }},
		{"ban-the-creator", "4.6.3", "5.6.3", func(w *world) *event.PDU { return w.Member(mod, creator, matrix.Ban) }},
		{"knock", "", "", func(w *world) *event.PDU {
			w.joinRule("knock")
			return w.Member(nobody, nobody, matrix.Knock)
		}},
		{"knock-restricted", "", "", func(w *world) *event.PDU {
			w.joinRule("knock_restricted")
			return w.Member(nobody, nobody, matrix.Knock)
		}},
		{"knock-where-invited", "4.7.1", "5.7.1", func(w *world) *event.PDU { return w.Member(nobody, nobody, matrix.Knock) }},
		{"knock-for-another", "4.7.2", "5.7.2", func(w *world) *event.PDU {
			w.joinRule("knock")
			return w.Member(plain, nobody, matrix.Knock)
		}},
		{"knock-while-banned", "4.7.4", "5.7.4", func(w *world) *event.PDU {
			w.joinRule("knock")
			return w.Member(banned, banned, matrix.Knock)
		}},
		{"knock-while-invited", "4.7.4", "5.7.4", func(w *world) *event.PDU {
			w.joinRule("knock")
			return w.Member(guest, guest, matrix.Knock)
		}},
		{"knock-while-joined", "4.7.4", "5.7.4", func(w *world) *event.PDU {
			w.joinRule("knock")
			return w.Member(plain, plain, matrix.Knock)
		}},
		{"unknown-membership", "4.8", "5.8", func(w *world) *event.PDU { return w.Member(plain, plain, "dance") }},
		{"membership-no-string", "4.8", "5.8", func(w *world) *event.PDU {
			return w.member(plain, plain, map[string]any{"membership": 7})
		}},
	}
}

func otherCases() []ruleCase {
	message := func(sender matrix.UserID) func(w *world) *event.PDU {
		return func(w *world) *event.PDU { return w.Event(matrix.TypeMessage, sender, map[string]any{"body": "x"}) }
	}
	levels := func(sender matrix.UserID, change map[string]any) func(w *world) *event.PDU {
		return func(w *world) *event.PDU { return w.powerLevels(sender, change) }
	}
	users := func(user matrix.UserID, level any) func(w *world) *event.PDU {
		return func(w *world) *event.PDU { return w.powerLevels(mod, w.users(user, level)) }
	}
	events := func(change map[string]any) func(w *world) *event.PDU {
		return levels(mod, map[string]any{"events": change})
	}
	return []ruleCase{
		{"no-create-event", "2.4", "2", func(w *world) *event.PDU {
			delete(w.state, w.Create.Key())
			return message(plain)(w)
		}},
		{"message", "", "", message(plain)},
		{"message-by-a-stranger", "5", "6", message(nobody)},
		{"message-by-the-invited", "5", "6", message(guest)},
		{"third-party-invite-event", "", "", func(w *world) *event.PDU {
			return w.Event(matrix.TypeThirdPartyInvite, mod, map[string]any{}, eventtest.State("token"))
		}},
		{"third-party-invite-event-without-power", "6.1", "7.1", func(w *world) *event.PDU {
			return w.Event(matrix.TypeThirdPartyInvite, plain, map[string]any{}, eventtest.State("token"))
		}},
		{"state-without-power", "7", "8", func(w *world) *event.PDU {
			return w.Event(matrix.TypeTopic, plain, map[string]any{}, eventtest.State(""))
		}},
		{"message-of-a-high-type", "7", "8", func(w *world) *event.PDU { return w.Event("high", mod, map[string]any{}) }},
		{"redaction-needs-no-redact-level", "", "", func(w *world) *event.PDU {
			return w.Event(matrix.TypeRedaction, plain, map[string]any{})
		}},
		{"state-of-another-user", "8", "9", func(w *world) *event.PDU {
			return w.Event("x", mod, map[string]any{}, eventtest.State(string(plain)))
		}},
		{"own-state", "", "", func(w *world) *event.PDU {
			return w.Event("x", mod, map[string]any{}, eventtest.State(string(mod)))
		}},
		{"levels-unchanged", "", "", levels(mod, nil)},
		{"level-no-integer", "9.1", "10.1", levels(mod, map[string]any{"kick": "50"})},
		{"level-null", "9.1", "10.1", levels(mod, map[string]any{"users_default": nil})},
		{"events-no-object", "9.2", "10.2", levels(mod, map[string]any{"events": []int{}})},
		{"events-no-integers", "9.2", "10.2", events(map[string]any{"x": "1"})},
		{"notifications-no-integers", "9.2", "10.2", levels(mod, map[string]any{"notifications": map[string]any{"room": "1"}})},
		{"users-no-object", "9.3", "10.3", levels(mod, map[string]any{"users": 7})},
		{"users-no-integers", "9.3", "10.3", users(plain, "1")},
		{"users-no-user-id", "9.3", "10.3", users("plain", 1)},
		{"first-levels", "", "", func(w *world) *event.PDU {
			delete(w.state, event.Key{Type: matrix.TypePowerLevels})
			return w.powerLevels(creator, nil)
		}},
		{"single-level-lowered-from-above", "9.5.1", "10.6.1", func(w *world) *event.PDU {
			w.levels(map[string]any{"ban": 60})
			return w.powerLevels(mod, map[string]any{"ban": 50})
		}},
		{"single-level-removed-from-above", "9.5.1", "10.6.1", func(w *world) *event.PDU {
			w.levels(map[string]any{"ban": 60})
			return w.powerLevels(mod, nil)
		}},
		{"single-level-raised-above", "9.5.2", "10.6.2", levels(mod, map[string]any{"ban": 60})},
		{"single-level-changed", "", "", levels(mod, map[string]any{"ban": 20, "redact": 30, "users_default": -1})},
		{"event-level-lowered-from-above", "9.6.1", "10.7.1", events(map[string]any{"m.room.power_levels": 50, "high": 40})},
		{"event-level-removed-from-above", "9.6.1", "10.7.1", events(map[string]any{"m.room.power_levels": 50})},
		{"notification-level-removed-from-above", "9.6.1", "10.7.1", levels(mod, map[string]any{"notifications": map[string]any{}})},
		{"event-level-added-above", "9.7.1", "10.8.1", events(map[string]any{"m.room.power_levels": 50, "high": 80, "x": 51})},
		{"event-level-raised-above", "9.7.1", "10.8.1", events(map[string]any{"m.room.power_levels": 51, "high": 80})},
		{"event-level-changed", "", "", events(map[string]any{"m.room.power_levels": 40, "high": 80, "x": 50})},
		{"user-demoted-by-an-equal", "9.8.1", "10.9.1", func(w *world) *event.PDU {
			w.levels(w.users(plain, 50))
			return w.powerLevels(mod, w.users(plain, 0))
		}},
		{"user-removed-by-an-equal", "9.8.1", "10.9.1", func(w *world) *event.PDU {
			w.levels(w.users(plain, 50))
			return w.powerLevels(mod, nil)
		}},
		{"own-demotion", "", "", users(mod, 10)},
		{"own-removal", "", "", users(mod, nil)},
		{"own-promotion", "9.9.1", "10.10.1", users(mod, 51)},
		{"user-promoted-above", "9.9.1", "10.10.1", users(plain, 51)},
		{"user-promoted", "", "", users(plain, 50)},
	}
}

func TestStateRules(t *testing.T) {
	for _, version := range matrix.RoomVersions() {
		for _, c := range stateCases() {
			t.Run("v"+version+"/"+c.name, func(t *testing.T) {
				want := c.old
				if version == "12" {
					want = c.newer
				}
				w := newWorld(t, version, nil)
				p := c.make(w)
				checkRule(t, eventauth.CheckState(p, w.state), p, want)
			})
		}
	}
}

// checkRule wants a rejection by a rule, or none for "".
func checkRule(t *testing.T, err error, p *event.PDU, want string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Errorf("got %v, want it allowed", err)
		}
		return
	}
	var rejection *eventauth.Error
	if !errors.As(err, &rejection) {
		t.Fatalf("got %v, want a rejection by rule %s", err, want)
	}
	if rejection.Rule != want || rejection.Version != p.Version().ID || rejection.EventID != p.ID() {
		t.Errorf("got %v, want rule %s of version %s for %s", err, want, p.Version().ID, p.ID())
	}
}

func TestFederateRule(t *testing.T) {
	for version, rule := range map[string]string{"10": "3", "11": "3", "12": "4"} {
		w := newWorld(t, version, map[string]any{"m.federate": false})
		remote := w.Event(matrix.TypeMessage, plain, map[string]any{})
		checkRule(t, eventauth.CheckState(remote, w.state), remote, rule)
		local := w.Event(matrix.TypeMessage, mod, map[string]any{})
		checkRule(t, eventauth.CheckState(local, w.state), local, "")
	}
}

func TestCreateRules(t *testing.T) {
	for _, version := range matrix.RoomVersions() {
		t.Run("v"+version, func(t *testing.T) {
			good := eventtest.New(t, version, creator, nil)
			checkRule(t, eventauth.CheckState(good.Create, nil), good.Create, "")
			rebuild := func(rule string, content map[string]any, options ...eventtest.Option) {
				t.Helper()
				full := map[string]any{"creator": creator, "room_version": version}
				for key, value := range content {
					full[key] = value
					if value == nil {
						delete(full, key)
					}
				}
				base := func(b *event.Builder) {
					b.PrevEvents = nil
					if good.Version.RoomIDIsCreateHash {
						b.RoomID = ""
					}
				}
				options = append([]eventtest.Option{eventtest.State(""), base}, options...)
				p := good.Event(matrix.TypeCreate, creator, full, options...)
				checkRule(t, eventauth.CheckState(p, nil), p, rule)
			}
			inVersion := func(version, rule string) string {
				if good.Version.ID == version {
					return rule
				}
				return ""
			}
			rebuild("1.1", nil, eventtest.Prev(good.Create))
			rebuild("1.2", nil, func(b *event.Builder) {
				if b.RoomID = "!room:hs2"; good.Version.RoomIDIsCreateHash {
					b.RoomID = good.Create.RoomID()
				}
			})
			rebuild("1.3", map[string]any{"room_version": "99"})
			rebuild("", map[string]any{"room_version": nil})
			rebuild(inVersion("10", "1.4"), map[string]any{"creator": nil})
			rebuild(inVersion("12", "1.4"), map[string]any{"additional_creators": "@b:hs1"})
			rebuild(inVersion("12", "1.4"), map[string]any{"additional_creators": []any{"@b:hs1", 7}})
			rebuild(inVersion("12", "1.4"), map[string]any{"additional_creators": []any{nil}})
			rebuild(inVersion("12", "1.4"), map[string]any{"additional_creators": []string{"b"}})
			rebuild("", map[string]any{"additional_creators": []string{"@b:hs2"}})
		})
	}
}

func TestCreatorsOfVersion12(t *testing.T) {
	w := newWorld(t, "12", map[string]any{"additional_creators": []matrix.UserID{other}})
	named := w.powerLevels(creator, w.users(creator, 100))
	checkRule(t, eventauth.CheckState(named, w.state), named, "10.4")
	named = w.powerLevels(creator, w.users(other, 1))
	checkRule(t, eventauth.CheckState(named, w.state), named, "10.4")
	high := w.Event("high", other, map[string]any{})
	checkRule(t, eventauth.CheckState(high, w.state), high, "")
	w.levels(map[string]any{"events": map[string]any{"high": int64(matrix.MaxSafeInteger)}})
	checkRule(t, eventauth.CheckState(high, w.state), high, "")
	kick := w.Member(other, creator, matrix.Leave)
	checkRule(t, eventauth.CheckState(kick, w.state), kick, "5.5.5")
}

func TestCreatorWithoutPowerLevels(t *testing.T) {
	for _, version := range matrix.RoomVersions() {
		w := newWorld(t, version, nil)
		delete(w.state, event.Key{Type: matrix.TypePowerLevels})
		topic := w.Event(matrix.TypeTopic, creator, map[string]any{}, eventtest.State(""))
		checkRule(t, eventauth.CheckState(topic, w.state), topic, "")
		topic = w.Event(matrix.TypeTopic, mod, map[string]any{}, eventtest.State(""))
		checkRule(t, eventauth.CheckState(topic, w.state), topic, map[bool]string{true: "8", false: "7"}[version == "12"])
	}
}

// thirdParty makes an invite by mod for nobody from a third-party invite signed with key.
func thirdParty(w *world, change func(invite, signed map[string]any)) *event.PDU {
	key := eventtest.Key("identity server")
	public := matrix.EncodeBase64(key.Public().(ed25519.PublicKey))
	w.put(w.Event(matrix.TypeThirdPartyInvite, mod, map[string]any{
		"public_key": "AA", "public_keys": []any{map[string]any{"public_key": public}},
	}, eventtest.State("token")))
	signed := map[string]any{"mxid": nobody, "token": "token"}
	invite := map[string]any{"display_name": "x", "signed": signed}
	raw, _ := json.Marshal(signed)
	withSignature, _ := matrix.SignJSON(raw, "id", "ed25519:0", key)
	_ = json.Unmarshal(withSignature, &signed)
	change(invite, signed)
	return w.member(mod, nobody, map[string]any{"membership": "invite", "third_party_invite": invite})
}

func TestThirdPartyInviteRules(t *testing.T) {
	cases := []struct {
		name, old, newer string
		change           func(w *world, invite, signed map[string]any)
	}{
		{"valid", "", "", func(*world, map[string]any, map[string]any) {}},
		{"banned", "4.4.1.1", "5.4.1.1", func(w *world, _, _ map[string]any) { w.put(w.Member(creator, nobody, matrix.Ban)) }},
		{"no-signed", "4.4.1.2", "5.4.1.2", func(_ *world, invite, _ map[string]any) { delete(invite, "signed") }},
		{"no-mxid", "4.4.1.3", "5.4.1.3", func(_ *world, _, signed map[string]any) { delete(signed, "mxid") }},
		{"no-token", "4.4.1.3", "5.4.1.3", func(_ *world, _, signed map[string]any) { delete(signed, "token") }},
		{"other-mxid", "4.4.1.4", "5.4.1.4", func(_ *world, _, signed map[string]any) { signed["mxid"] = plain }},
		{"other-token", "4.4.1.5", "5.4.1.5", func(_ *world, _, signed map[string]any) { signed["token"] = "none" }},
		{"other-sender", "4.4.1.6", "5.4.1.6", func(w *world, _, _ map[string]any) {
			w.put(w.Event(matrix.TypeThirdPartyInvite, creator, map[string]any{}, eventtest.State("token")))
		}},
		{"changed-after-signing", "4.4.1.8", "5.4.1.8", func(_ *world, _, signed map[string]any) { signed["x"] = 1 }},
		{"no-signatures", "4.4.1.8", "5.4.1.8", func(_ *world, _, signed map[string]any) { delete(signed, "signatures") }},
	}
	for _, version := range matrix.RoomVersions() {
		for _, c := range cases {
			t.Run("v"+version+"/"+c.name, func(t *testing.T) {
				w := newWorld(t, version, nil)
				p := thirdParty(w, func(invite, signed map[string]any) { c.change(w, invite, signed) })
				want := c.old
				if version == "12" {
					want = c.newer
				}
				checkRule(t, eventauth.CheckState(p, w.state), p, want)
			})
		}
	}
}

// An invite's signatures are tried up to a bound: otherwise hundreds of them times hundreds of keys would keep a
// server busy for seconds.
func TestThirdPartyInviteIsCheckedInBoundedTime(t *testing.T) {
	for decoys, rule := range map[int]string{100: "", 255: "", 256: "5.4.1.8"} {
		w := newWorld(t, "12", nil)
		p := thirdParty(w, func(_, signed map[string]any) {
			nonsense := map[string]any{}
			for i := range decoys {
				nonsense[fmt.Sprintf("ed25519:%d", i)] = "AAAA"
			}
			signed["signatures"].(map[string]any)["a.decoy"] = nonsense
		})
		checkRule(t, eventauth.CheckState(p, w.state), p, rule)
	}
}
