package homeserver

import (
	"encoding/json"
	"sync"
	"time"
)

// presenceTimeout is how long a user who does not sync any more counts as there.
const presenceTimeout = 30 * time.Second

// presences are what is known of users' presence, here and elsewhere. The zero value is empty, and stays it
// unless [Config.Presence] is set.
type presences struct {
	mu     sync.Mutex
	users  map[string]*presence
	newest Position
}

type presence struct {
	Presence
	at      Position
	syncing int         // of the user's syncs that wait
	timer   *time.Timer // ends the presence of a local user who does not sync
}

// Presence says whether a user is there (client-server API, presence).
type Presence struct {
	User       string
	State      string // online, unavailable or offline
	Status     string // what the user says about it
	LastActive time.Time
}

// The states of presence.
const (
	Online      = "online"
	Unavailable = "unavailable"
	Offline     = "offline"
)

// ValidPresence says whether a text is a state of presence.
func ValidPresence(state string) bool {
	return state == Online || state == Unavailable || state == Offline
}

// SetPresence notes what a local user says about their presence and tells the servers they share rooms with.
// Without [Config.Presence] nothing happens.
func (s *Server) SetPresence(user, state string, status *string) {
	if !s.cfg.Presence {
		return
	}
	s.changePresence(user, func(p *presence) {
		p.State = state
		if status != nil {
			p.Status = *status
		}
		s.expectLocked(p)
	})
}

// syncs notes that a local user syncs, until over is called, so that they are there in the state that they
// chose ("" for none).
func (s *Server) syncs(user, state string) (over func()) {
	if !s.cfg.Presence || state == "" || state == Offline {
		return func() {}
	}
	s.changePresence(user, func(p *presence) {
		p.State = state
		p.syncing++
	})
	return func() {
		s.users.presences.mu.Lock()
		defer s.users.presences.mu.Unlock()
		if p := s.users.presences.users[user]; p != nil {
			p.syncing--
			s.expectLocked(p)
		}
	}
}

// expectLocked makes a local user offline who does not sync within a while.
func (s *Server) expectLocked(p *presence) {
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	if p.State == Offline || p.syncing > 0 {
		return
	}
	user := p.User
	p.timer = time.AfterFunc(presenceTimeout, func() {
		s.changePresence(user, func(p *presence) {
			if p.syncing == 0 {
				p.State = Offline
			}
		})
	})
}

// changePresence changes the presence of a local user and tells others when it is another then.
func (s *Server) changePresence(user string, change func(*presence)) {
	all := &s.users.presences
	all.mu.Lock()
	p := all.userLocked(user)
	before := p.Presence
	change(p)
	if p.State != Offline {
		p.LastActive = time.Now()
	}
	now := p.Presence
	changed := before.State != now.State || before.Status != now.Status
	if changed {
		p.at = s.Bump()
		all.newest = p.at
	}
	all.mu.Unlock()
	if !changed {
		return
	}
	s.users.watchers.alert(anybody)
	edu := EDU{Type: eduPresence, Key: user, Fleeting: true}
	s.sendEDU(edu, presenceContent{Push: []userPresence{{
		User: user, State: now.State, Status: now.Status, ActiveAgo: time.Since(now.LastActive).Milliseconds(),
		Active: now.State == Online,
	}}}, s.serversWith(user))
}

func (all *presences) userLocked(user string) *presence {
	p := all.users[user]
	if p != nil {
		return p
	}
	if all.users == nil {
		all.users = map[string]*presence{}
	}
	p = &presence{Presence: Presence{User: user, State: Offline}}
	all.users[user] = p
	return p
}

// presenceContent is the content of an m.presence EDU.
type presenceContent struct {
	Push []userPresence `json:"push"`
}

type userPresence struct {
	User      string `json:"user_id"`
	State     string `json:"presence"`
	Status    string `json:"status_msg,omitempty"`
	ActiveAgo int64  `json:"last_active_ago"` // ms
	Active    bool   `json:"currently_active"`
}

// receivePresence takes what another server says about its users, as far as users here share rooms with them.
func (s *Server) receivePresence(origin string, content json.RawMessage) error {
	if !s.cfg.Presence {
		return nil
	}
	var in presenceContent
	if err := json.Unmarshal(content, &in); err != nil {
		return err
	}
	for _, said := range in.Push {
		if serverOf(said.User) != origin || !ValidPresence(said.State) {
			return failf(Forbidden, "%s may not say that %s is %q", origin, said.User, said.State)
		}
		if s.knows(said.User) {
			s.notePresence(said)
		}
	}
	return nil
}

func (s *Server) notePresence(said userPresence) {
	all := &s.users.presences
	all.mu.Lock()
	p := all.userLocked(said.User)
	p.State, p.Status = said.State, said.Status
	p.LastActive = time.Now().Add(-time.Duration(said.ActiveAgo) * time.Millisecond)
	p.at = s.Bump()
	all.newest = p.at
	all.mu.Unlock()
	s.users.watchers.alert(anybody)
}

// PresenceOf returns what is known of a user's presence, false for nothing.
func (s *Server) PresenceOf(user string) (Presence, bool) {
	s.users.presences.mu.Lock()
	defer s.users.presences.mu.Unlock()
	p := s.users.presences.users[user]
	if p == nil {
		return Presence{}, false
	}
	return p.Presence, true
}

// presenceBetween returns whose presence changed after since, up to and including upto, among those that the
// reader shares a room with.
func (s *Server) presenceBetween(reader string, since, upto Position) []Presence {
	all := &s.users.presences
	all.mu.Lock()
	var changed []Presence
	if all.newest > since {
		for _, p := range all.users {
			if since < p.at && p.at <= upto {
				changed = append(changed, p.Presence)
			}
		}
	}
	all.mu.Unlock()
	visible := changed[:0]
	for _, p := range changed {
		if s.share(reader, p.User) {
			visible = append(visible, p)
		}
	}
	return visible
}
