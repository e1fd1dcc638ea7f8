package clientapi

import (
	"bytes"
	"encoding/json"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// requiredState says which state a client wants of a room.
type requiredState struct {
	Include []stateElement  `json:"include,omitempty"`
	Exclude []stateElement  `json:"exclude,omitempty"`
	Lazy    bool            `json:"lazy_members,omitempty"`
	more    []requiredState // of other lists, any of which suffices
}

// stateElement matches state events; an absent part matches all.
type stateElement struct {
	Type *string `json:"type,omitempty"`
	Key  *string `json:"state_key,omitempty"`
}

// maxStateElements bounds what one list asks for.
const maxStateElements = 200

// me stands for the user's own id in pairs.
const me = "$ME"

// UnmarshalJSON implements json.Unmarshaler. Pairs of type and state key are what clients send today: * for any, $LAZY
// for lazily loaded members, $ME for the user.
func (r *requiredState) UnmarshalJSON(raw []byte) error {
	if trimmed := bytes.TrimSpace(raw); len(trimmed) == 0 || trimmed[0] != '[' {
		type plain requiredState
		return json.Unmarshal(raw, (*plain)(r))
	}
	var pairs [][2]string
	if err := json.Unmarshal(raw, &pairs); err != nil {
		return err
	}
	for _, pair := range pairs {
		if pair == [2]string{matrix.TypeMember, "$LAZY"} {
			r.Lazy = true
			continue
		}
		r.Include = append(r.Include, stateElement{unlessAny(pair[0]), unlessAny(pair[1])})
	}
	return nil
}

func unlessAny(text string) *string {
	if text == "*" {
		return nil
	}
	return &text
}

// add makes the wishes of two lists one.
func (c *roomConfig) add(other roomConfig) {
	c.Limit = max(c.Limit, min(other.Limit, maxSlidingTimeline))
	c.State.more = append(c.State.more, other.State)
}

// wants says whether a state event is wanted. Of lazily loaded members those are that are in members, too.
func (r requiredState) wants(pdu *event.PDU, user string, members map[string]bool) bool {
	for _, one := range r.more {
		if one.wants(pdu, user, members) {
			return true
		}
	}
	key := pdu.Key()
	if r.Lazy && key.Type == matrix.TypeMember && members[key.StateKey] {
		return true
	}
	return matchesElement(r.Include, key, user, r.Lazy) && !matchesElement(r.Exclude, key, user, false)
}

// MarshalJSON is for telling whether a client's wishes have changed.
func (r requiredState) MarshalJSON() ([]byte, error) {
	type plain requiredState
	return json.Marshal(struct {
		plain
		More []requiredState `json:"more,omitempty"`
	}{plain(r), r.more})
}

func matchesElement(elements []stateElement, key event.Key, user string, lazy bool) bool {
	for _, e := range elements[:min(len(elements), maxStateElements)] {
		if e.Type == nil && lazy && key.Type == matrix.TypeMember && e.Key == nil {
			continue // everything means everything but the members
		}
		want := e.Key
		if want != nil && *want == me {
			want = &user
		}
		if (e.Type == nil || *e.Type == key.Type) && (want == nil || *want == key.StateKey) {
			return true
		}
	}
	return false
}

// lazy says whether members are loaded lazily in any list.
func (r requiredState) lazy() bool {
	for _, one := range r.more {
		if one.lazy() {
			return true
		}
	}
	return r.Lazy
}
