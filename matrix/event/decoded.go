package event

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"meshsim/matrix"
)

// Infinite is the power of a room creator from room version 12 on. No event can grant it, since numbers end
// at 2^53-1.
const Infinite = math.MaxInt64

// decoded caches the parsed content of the events that the authorisation rules read again and again.
type decoded struct {
	power  *PowerLevels
	create *CreateContent
}

// PowerLevels is the content of m.room.power_levels; absent levels have their defaults filled in.
type PowerLevels struct {
	Users         map[matrix.UserID]int64
	Events        map[string]int64
	Notifications map[string]int64
	UsersDefault  int64
	EventsDefault int64
	StateDefault  int64
	Ban           int64
	Kick          int64
	Redact        int64
	Invite        int64
}

// CreateContent is what servers read of m.room.create.
type CreateContent struct {
	Creator            matrix.UserID   `json:"creator"`
	AdditionalCreators []matrix.UserID `json:"additional_creators"`
	RoomVersion        string          `json:"room_version"`
	Federate           *bool           `json:"m.federate"`
	Type               string          `json:"type"`
}

// PowerLevels decodes an m.room.power_levels event leniently: what is no integer counts as absent. The
// result is cached and must not be changed.
func (p *PDU) PowerLevels() *PowerLevels {
	if d := p.decoded.Load(); d != nil && d.power != nil {
		return d.power
	}
	power := decodePowerLevels(p.content)
	p.decoded.Store(&decoded{power: power})
	return power
}

// Create decodes an m.room.create event; malformed properties count as absent. The result is cached and must
// not be changed.
func (p *PDU) Create() *CreateContent {
	if d := p.decoded.Load(); d != nil && d.create != nil {
		return d.create
	}
	create := decodeCreate(p)
	p.decoded.Store(&decoded{create: create})
	return create
}

// IsCreator tells whether the user created the room: the create event's sender (its content's creator before
// room version 11) or, in room version 12 and later, one of the additional creators.
func (p *PDU) IsCreator(user matrix.UserID) bool {
	create := p.Create()
	if user == create.Creator {
		return true
	}
	if !p.version.CreatorsPrivileged {
		return false
	}
	for _, creator := range create.AdditionalCreators {
		if creator == user {
			return true
		}
	}
	return false
}

func decodeCreate(p *PDU) *CreateContent {
	c := &CreateContent{}
	for m := range matrix.Members(p.content) {
		switch string(m.Key) {
		case "creator":
			creator, _ := unquote(m.Value)
			c.Creator = matrix.UserID(creator)
		case "additional_creators":
			_ = json.Unmarshal(m.Value, &c.AdditionalCreators) // malformed: as if absent
		case "room_version":
			c.RoomVersion, _ = unquote(m.Value)
		case "type":
			c.Type, _ = unquote(m.Value)
		case "m.federate":
			_ = json.Unmarshal(m.Value, &c.Federate) // malformed: as if absent
		}
	}
	if !p.version.CreatorInContent {
		c.Creator = p.sender
	}
	return c
}

// DefaultPowerLevels is in force in a room without an m.room.power_levels event, apart from the creator's
// own power (Matrix client-server specification, "m.room.power_levels").
func DefaultPowerLevels() *PowerLevels { return decodePowerLevels(nil) }

func decodePowerLevels(content json.RawMessage) *PowerLevels {
	l := &PowerLevels{StateDefault: 50, Ban: 50, Kick: 50, Redact: 50}
	for m := range matrix.Members(content) {
		switch string(m.Key) {
		case "users":
			l.Users = integers[matrix.UserID](m.Value)
		case "events":
			l.Events = integers[string](m.Value)
		case "notifications":
			l.Notifications = integers[string](m.Value)
		default:
			if level := l.named(string(m.Key)); level != nil {
				setInteger(level, m.Value)
			}
		}
	}
	return l
}

// named finds one of the single levels by its JSON name.
func (l *PowerLevels) named(name string) *int64 {
	switch name {
	case "users_default":
		return &l.UsersDefault
	case "events_default":
		return &l.EventsDefault
	case "state_default":
		return &l.StateDefault
	case "ban":
		return &l.Ban
	case "kick":
		return &l.Kick
	case "redact":
		return &l.Redact
	case "invite":
		return &l.Invite
	}
	return nil
}

func integers[K ~string](object json.RawMessage) map[K]int64 {
	if len(object) == 0 || object[0] != '{' {
		return nil
	}
	out := make(map[K]int64)
	for m := range matrix.Members(object) {
		var n int64
		name := string(m.Key)
		if strings.IndexByte(name, '\\') >= 0 {
			name, _ = unquote(m.Raw[:len(m.Key)+2])
		}
		if setInteger(&n, m.Value) {
			out[K(name)] = n
		}
	}
	return out
}

func setInteger(level *int64, value json.RawMessage) bool {
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		return false
	}
	*level = n
	return true
}

// Event is the power that sending an event of this type takes.
func (l *PowerLevels) Event(kind string, state bool) int64 {
	if level, found := l.Events[kind]; found {
		return level
	}
	if state {
		return l.StateDefault
	}
	return l.EventsDefault
}

// User is the power of a user who is no privileged creator.
func (l *PowerLevels) User(user matrix.UserID) int64 {
	if level, found := l.Users[user]; found {
		return level
	}
	return l.UsersDefault
}
