package homeserver

import (
	"encoding/json"
	"strconv"
)

// maxFilters is how many filters one user can store. The oldest ones stay: clients keep their ids for good.
const maxFilters = 1000

// dataKey names a piece of account data. RoomID is "" for global data.
type dataKey struct{ roomID, kind string }

type dataValue struct {
	content json.RawMessage
	at      Position
}

// AccountData is one piece of a user's account data.
type AccountData struct {
	RoomID  string // "" for global data
	Type    string
	Content json.RawMessage // shared, not to be changed
}

// SetAccountData replaces a piece of a local user's account data and wakes the user's syncs.
func (s *Server) SetAccountData(user string, data AccountData) error {
	return s.changeAccount(user, func(a *account, at Position) {
		if a.data == nil {
			a.data = map[dataKey]dataValue{}
		}
		a.data[dataKey{data.RoomID, data.Type}] = dataValue{data.Content, at}
		s.Keep(kindAccountData, storedAccountData{user, data, at}, user, data.RoomID, data.Type)
	})
}

// AccountDataOf returns a piece of a local user's account data, or NotFound.
func (s *Server) AccountDataOf(user, roomID, kind string) (json.RawMessage, error) {
	s.users.mu.RLock()
	defer s.users.mu.RUnlock()
	a, err := s.users.accountLocked(user)
	if err != nil {
		return nil, err
	}
	value, ok := a.data[dataKey{roomID, kind}]
	if !ok {
		return nil, failf(NotFound, "no account data of type %q is set", kind)
	}
	return value.content, nil
}

// AccountDataBetween returns what was set after since, up to and including upto, in no order.
func (s *Server) AccountDataBetween(user string, since, upto Position) []AccountData {
	s.users.mu.RLock()
	defer s.users.mu.RUnlock()
	a := s.users.accounts[user]
	if a == nil {
		return nil
	}
	var changed []AccountData
	for key, value := range a.data {
		if since < value.at && value.at <= upto {
			changed = append(changed, AccountData{key.roomID, key.kind, value.content})
		}
	}
	return changed
}

// AddFilter stores a filter and returns its id; the same filter again has the same id.
func (s *Server) AddFilter(user, filter string) (id string, err error) {
	s.users.mu.Lock()
	defer s.users.mu.Unlock()
	a, err := s.users.accountLocked(user)
	if err != nil {
		return "", err
	}
	for i, known := range a.filters {
		if known == filter {
			return strconv.Itoa(i), nil
		}
	}
	if len(a.filters) >= maxFilters {
		return "", failf(InvalidParam, "%s has stored %d filters already: use one of them, or send filters inline", user, maxFilters)
	}
	a.filters = append(a.filters, filter)
	s.Keep(kindFilter, storedFilter{user, len(a.filters) - 1, filter}, user, strconv.Itoa(len(a.filters)-1))
	return strconv.Itoa(len(a.filters) - 1), nil
}

// Filter returns a stored filter by its id.
func (s *Server) Filter(user, id string) (string, error) {
	s.users.mu.RLock()
	defer s.users.mu.RUnlock()
	a, err := s.users.accountLocked(user)
	if err != nil {
		return "", err
	}
	i, err := strconv.Atoi(id)
	if err != nil || i < 0 || i >= len(a.filters) || strconv.Itoa(i) != id {
		return "", failf(NotFound, "%s has no filter %q", user, id)
	}
	return a.filters[i], nil
}

// changeAccount changes a local user's account and makes the change visible at a new position. The position
// is made under the lock: a sync that knows it must wait for the lock and so sees the change.
func (s *Server) changeAccount(user string, change func(a *account, at Position)) error {
	s.users.mu.Lock()
	defer s.users.mu.Unlock()
	a, err := s.users.accountLocked(user)
	if err != nil {
		return err
	}
	change(a, s.Bump())
	s.alertUser(user)
	return nil
}
