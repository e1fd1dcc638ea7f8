package homeserver

import (
	"crypto/rand"
	"encoding/json"
	"slices"
	"sync"
)

const (
	// maxInbox and maxInboxBytes are how many messages, and bytes of them, wait for a device; older ones give way. A
	// device that never syncs must not fill the memory, whoever writes to it.
	maxInbox      = 10_000
	maxInboxBytes = 8 << 20
	// maxSeenMessages is how many ids of to-device messages from other servers are remembered.
	maxSeenMessages = 1000
)

// ToDevice is a message to one device (client-server API, send-to-device messaging).
type ToDevice struct {
	Sender  string          `json:"sender"`
	Type    string          `json:"type"`
	Content json.RawMessage `json:"content"`

	position Position
	number   int64 // ascending on a server
}

// DeviceMessages are the contents of to-device messages by user and device; the device "*" stands for all.
type DeviceMessages map[string]map[string]json.RawMessage

// toDeviceContent is the content of an m.direct_to_device EDU.
type toDeviceContent struct {
	Sender    string         `json:"sender"`
	Type      string         `json:"type"`
	MessageID string         `json:"message_id"`
	Messages  DeviceMessages `json:"messages"`
}

// SendToDevices delivers messages to devices here and on other servers. Devices that do not exist are passed
// over, as the sender cannot know. alongside is recorded in one with the messages to devices here, after those to other
// servers: a kill in between repeats messages, and loses none.
func (s *Server) SendToDevices(sender, kind string, messages DeviceMessages, alongside ...Change) {
	here, elsewhere := DeviceMessages{}, map[string]DeviceMessages{}
	for user, contents := range messages {
		server := serverOf(user)
		if server == s.cfg.Name {
			here[user] = contents
			continue
		}
		if elsewhere[server] == nil {
			elsewhere[server] = DeviceMessages{}
		}
		elsewhere[server][user] = contents
	}
	for server, messages := range elsewhere {
		s.sendEDU(EDU{Type: eduToDevice}, toDeviceContent{sender, kind, rand.Text(), messages}, []string{server})
	}
	s.deliverToDevices(sender, kind, here, alongside)
}

// receiveToDevice takes messages to devices from another server, each once.
func (s *Server) receiveToDevice(origin string, content json.RawMessage) error {
	var in toDeviceContent
	if err := json.Unmarshal(content, &in); err != nil {
		return err
	}
	if serverOf(in.Sender) != origin {
		return failf(Forbidden, "%s is not a user of %s", in.Sender, origin)
	}
	changes, fresh := s.users.seenMessages.see(origin+" "+in.MessageID, s.cfg.Store != nil)
	if fresh {
		s.deliverToDevices(in.Sender, in.Type, in.Messages, changes)
	}
	return nil
}

// seenMessages remembers the latest ids of messages. The zero value is empty.
type seenMessages struct {
	mu     sync.Mutex
	ids    map[string]struct{}
	order  []string // oldest first
	number int64    // of the latest that was recorded
}

// see says whether an id is new, and what is to be recorded of that where it is kept.
func (m *seenMessages) see(id string, kept bool) (changes []Change, fresh bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fresh, forgotten := m.addLocked(id)
	if !fresh || !kept {
		return nil, fresh
	}
	m.number++
	changes = []Change{Kept(kindSeenMessage, storedSeenMessage{id, m.number}, id)}
	if forgotten != "" {
		changes = append(changes, Change{Kind: kindSeenMessage, Key: forgotten})
	}
	return changes, true
}

// add says whether an id is new.
func (m *seenMessages) add(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	fresh, _ := m.addLocked(id)
	return fresh
}

func (m *seenMessages) addLocked(id string) (fresh bool, forgotten string) {
	if _, seen := m.ids[id]; seen {
		return false, ""
	}
	if m.ids == nil {
		m.ids = map[string]struct{}{}
	}
	m.ids[id] = struct{}{}
	m.order = append(m.order, id)
	if len(m.order) > maxSeenMessages {
		forgotten = m.order[0]
		delete(m.ids, forgotten)
		m.order = m.order[1:]
	}
	return true, forgotten
}

// deliverToDevices puts messages into the inboxes of local users, all recorded together with further changes.
func (s *Server) deliverToDevices(sender, kind string, messages DeviceMessages, alongside []Change) {
	u := &s.users
	u.mu.Lock()
	p := post{s: s, changes: alongside}
	for user, contents := range messages {
		if a := u.accounts[user]; a != nil {
			p.deliverLocked(a, ToDevice{Sender: sender, Type: kind, position: s.Bump()}, contents)
		}
	}
	p.recordLocked()
	u.mu.Unlock()
	for user := range messages {
		s.alertUser(user)
	}
}

// post is messages on their way into inboxes, with what is to be recorded of them.
type post struct {
	s       *Server
	changes []Change
}

func (p *post) recordLocked() {
	if p.s.cfg.Store != nil && len(p.changes) > 0 {
		p.s.cfg.Store.Record(p.changes...)
	}
}

// deliverLocked puts a message with its content into the inbox of each device of a user that it is for.
func (p *post) deliverLocked(a *account, message ToDevice, contents map[string]json.RawMessage) {
	for id, content := range contents {
		message.Content = content
		if id != "*" {
			p.putLocked(a.devices[id], message)
			continue
		}
		for _, device := range a.devices {
			p.putLocked(device, message)
		}
	}
}

// putLocked needs users.mu. A device that does not exist takes nothing.
func (p *post) putLocked(d *Device, message ToDevice) {
	if d == nil {
		return
	}
	p.s.users.messages++
	message.number = p.s.users.messages
	d.inbox = append(d.inbox, message)
	over := surplus(d.inbox, maxInbox, maxInboxBytes)
	if p.s.cfg.Store != nil {
		p.changes = append(p.changes, keptMessage(d, message))
		for _, old := range d.inbox[:over] {
			p.changes = append(p.changes, droppedMessage(d, old))
		}
	}
	d.inbox = slices.Delete(d.inbox, 0, over)
}

// surplus is how many of the oldest messages give way, so that at most so many are left, with at most so many bytes.
func surplus(messages []ToDevice, most, mostBytes int) int {
	kept, bytes := 0, 0
	for kept < min(len(messages), most) {
		bytes += messages[len(messages)-1-kept].size()
		if bytes > mostBytes {
			break
		}
		kept++
	}
	return len(messages) - kept
}

func (m ToDevice) size() int { return len(m.Sender) + len(m.Type) + len(m.Content) }

// toDeviceBetween returns the messages that came for a device after since, up to and including upto.
func (s *Server) toDeviceBetween(device *Device, since, upto Position) []ToDevice {
	s.users.mu.RLock()
	defer s.users.mu.RUnlock()
	var came []ToDevice
	for _, message := range device.inbox {
		if since < message.position && message.position <= upto {
			came = append(came, message)
		}
	}
	return came
}

// received forgets the messages that a device has got: it has shown the position after them.
func (s *Server) received(device *Device, upto Position) {
	s.users.mu.Lock()
	defer s.users.mu.Unlock()
	rest := slices.IndexFunc(device.inbox, func(m ToDevice) bool { return m.position > upto })
	switch {
	case rest < 0:
		s.dropMessagesLocked(device, device.inbox)
		device.inbox = nil
	case rest > 0:
		s.dropMessagesLocked(device, device.inbox[:rest])
		device.inbox = slices.Clone(device.inbox[rest:])
	}
}
