package eventauth_test

import (
	"testing"

	"meshsim/matrix"
	"meshsim/matrix/event"
	"meshsim/matrix/event/eventtest"
	"meshsim/matrix/eventauth"
	"meshsim/matrix/stateres"
)

func TestSimpleRoom(t *testing.T) {
	for _, v := range matrix.RoomVersions() {
		t.Run(v, func(t *testing.T) {
			r := eventtest.New(t, v, "@a:hs1", nil)
			state := eventauth.EventsOf(r.Create)
			add := func(p *event.PDU) {
				t.Helper()
				if err := eventauth.CheckState(p, state); err != nil {
					t.Error(err)
				}
				if p.IsState() {
					state[p.Key()] = p
				}
			}
			auth := []*event.PDU{}
			if v != "12" {
				auth = append(auth, r.Create)
			}
			j := r.Member("@a:hs1", "@a:hs1", "join", eventtest.Auth(auth...))
			add(j)
			users := map[string]any{}
			if v != "12" {
				users["@a:hs1"] = 100
			}
			pl := r.Event(matrix.TypePowerLevels, "@a:hs1", map[string]any{"users": users}, eventtest.State(""), eventtest.Auth(append(auth, j)...))
			add(pl)
			jr := r.Event(matrix.TypeJoinRules, "@a:hs1", map[string]any{"join_rule": "public"}, eventtest.State(""), eventtest.Auth(append(auth, j, pl)...))
			add(jr)
			j2 := r.Member("@b:hs2", "@b:hs2", "join", eventtest.Auth(append(auth, pl, jr)...), eventtest.Prev(jr))
			add(j2)
			j3 := r.Member("@c:hs2", "@c:hs2", "join", eventtest.Auth(append(auth, pl, jr)...), eventtest.Prev(jr))
			add(j3)
			base := stateres.StateOf(r.Create, j, pl, jr)
			got, err := stateres.Resolve(r.Version, []stateres.State{base.With(j2.Key(), j2.ID()), base.With(j3.Key(), j3.ID())}, source{state})
			if err != nil || got.Len() != 6 {
				t.Error(err, got.Len())
			}
		})
	}
}

type source struct{ m eventauth.Events }

func (s source) Event(id matrix.EventID) *event.PDU {
	for _, p := range s.m {
		if p.ID() == id {
			return p
		}
	}
	return nil
}
func (s source) Rejected(matrix.EventID) bool { return false }
