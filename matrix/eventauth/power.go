package eventauth

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// singleLevels are the power levels that stand alone in the content of m.room.power_levels.
func singleLevels() []string {
	return []string{"users_default", "events_default", "state_default", "ban", "redact", "kick", "invite"}
}

// checkPowerLevels is rule 10; power is the sender's.
func checkPowerLevels(p *event.PDU, r *room, power int64) error {
	if err := checkLevelFormat(p); err != nil {
		return err
	}
	next := p.PowerLevels()
	if err := checkNoCreators(p, r, next); err != nil {
		return err
	}
	if r.power == nil {
		return nil
	}
	if err := checkSingleLevels(p, r, power); err != nil {
		return err
	}
	current := r.power.PowerLevels()
	if err := checkEntries(p, "events", current.Events, next.Events, power); err != nil {
		return err
	}
	if err := checkEntries(p, "notifications", current.Notifications, next.Notifications, power); err != nil {
		return err
	}
	return checkUsers(p, current.Users, next.Users, power)
}

// checkLevelFormat is rules 10.1 to 10.3.
func checkLevelFormat(p *event.PDU) error {
	for _, name := range singleLevels() {
		if value := matrix.Lookup(p.Content(), name); value != nil && !isInteger(value) {
			return reject(p, "10.1", "%s is %s, not an integer", name, value)
		}
	}
	for _, name := range []string{"events", "notifications"} {
		if value := matrix.Lookup(p.Content(), name); value != nil && !isIntegerMap(value) {
			return reject(p, "10.2", "%s is not an object of integers", name)
		}
	}
	users := matrix.Lookup(p.Content(), "users")
	if users == nil {
		return nil
	}
	if !isIntegerMap(users) {
		return reject(p, "10.3", "users is not an object of integers")
	}
	for user := range p.PowerLevels().Users {
		if !user.Valid() {
			return reject(p, "10.3", "users has the key %q, which is not a user ID", user)
		}
	}
	return nil
}

func isInteger(value json.RawMessage) bool {
	_, err := strconv.ParseInt(string(value), 10, 64)
	return err == nil
}

func isIntegerMap(value json.RawMessage) bool {
	if value[0] != '{' {
		return false
	}
	for m := range matrix.Members(value) {
		if !isInteger(m.Value) {
			return false
		}
	}
	return true
}

// checkNoCreators is rule 10.4.
func checkNoCreators(p *event.PDU, r *room, next *event.PowerLevels) error {
	if !p.Version().CreatorsPrivileged {
		return nil
	}
	for user := range next.Users {
		if r.create.IsCreator(user) {
			return reject(p, "10.4", "users names %s, a creator of the room", user)
		}
	}
	return nil
}

// checkSingleLevels is rule 10.6. A level that appears or disappears is an alteration too.
func checkSingleLevels(p *event.PDU, r *room, power int64) error {
	for _, name := range singleLevels() {
		before, had := integer(r.power, name)
		after, has := integer(p, name)
		if had == has && before == after {
			continue
		}
		if had && before > power {
			return reject(p, "10.6.1", "%s is %d, above the power %d of %s", name, before, power, p.Sender())
		}
		if has && after > power {
			return reject(p, "10.6.2", "%s becomes %d, above the power %d of %s", name, after, power, p.Sender())
		}
	}
	return nil
}

func integer(p *event.PDU, name string) (int64, bool) {
	n, err := strconv.ParseInt(string(matrix.Lookup(p.Content(), name)), 10, 64)
	return n, err == nil
}

// checkEntries is rules 10.7 and 10.8.
func checkEntries(p *event.PDU, property string, current, next map[string]int64, power int64) error {
	for _, name := range slices.Sorted(maps.Keys(current)) {
		after, kept := next[name]
		if before := current[name]; (!kept || after != before) && before > power {
			return reject(p, "10.7.1", "%s[%q] is %d, above the power %d of %s", property, name, before, power, p.Sender())
		}
	}
	for _, name := range slices.Sorted(maps.Keys(next)) {
		before, had := current[name]
		if after := next[name]; (!had || after != before) && after > power {
			return reject(p, "10.8.1", "%s[%q] becomes %d, above the power %d of %s", property, name, after, power, p.Sender())
		}
	}
	return nil
}

// checkUsers is rules 10.9 and 10.10.
func checkUsers(p *event.PDU, current, next map[matrix.UserID]int64, power int64) error {
	for _, user := range slices.Sorted(maps.Keys(current)) {
		after, kept := next[user]
		before := current[user]
		if (!kept || after != before) && user != p.Sender() && before >= power {
			return reject(p, "10.9.1", "users[%q] is %d, not below the power %d of %s", user, before, power, p.Sender())
		}
	}
	for _, user := range slices.Sorted(maps.Keys(next)) {
		before, had := current[user]
		if after := next[user]; (!had || after != before) && after > power {
			return reject(p, "10.10.1", "users[%q] becomes %d, above the power %d of %s", user, after, power, p.Sender())
		}
	}
	return nil
}
