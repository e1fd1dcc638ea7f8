package clientapi

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"meshsim/homeserver"
	"meshsim/matrix"
	"meshsim/matrix/event"
)

// judge applies a user's push rules to the events of a room (client-server API, push rules).
type judge struct {
	user  string
	rules []compiled
}

// compiled is a rule with all that it asks as conditions.
type compiled struct {
	conditions        []condition
	notify, highlight bool
	actions           []any
}

// newJudge puts the rules into the order in which they are tried.
func newJudge(user string, set ruleset) judge {
	j := judge{user: user}
	j.add(set.Override, func(r rule) []condition { return r.Conditions })
	j.add(set.Content, func(r rule) []condition { return []condition{match("content.body", r.Pattern)} })
	j.add(set.Room, func(r rule) []condition { return []condition{match("room_id", r.ID)} })
	j.add(set.Sender, func(r rule) []condition { return []condition{match("sender", r.ID)} })
	j.add(set.Underride, func(r rule) []condition { return r.Conditions })
	return j
}

func (j *judge) add(rules []rule, conditions func(rule) []condition) {
	for _, r := range rules {
		if !r.Enabled {
			continue
		}
		c := compiled{conditions: conditions(r), actions: r.Actions}
		for _, action := range r.Actions {
			c.notify = c.notify || action == "notify"
			c.highlight = c.highlight || highlights(action)
		}
		j.rules = append(j.rules, c)
	}
}

// highlights says whether an action is the tweak highlight, whose value is true unless given. Actions are of this
// server's own types or, stored by the user, as JSON has them.
func highlights(action any) bool {
	switch action := action.(type) {
	case tweak:
		return action.Name == "highlight" && action.Value != false
	case map[string]any:
		return action["set_tweak"] == "highlight" && action["value"] != false
	}
	return false
}

// of judges one event.
func (j judge) of(entry homeserver.Entry) (notify, highlight bool) {
	r := j.rule(entry)
	return r.notify, r.notify && r.highlight
}

// rule is the first that fits an event; one that does nothing where none does.
func (j judge) rule(entry homeserver.Entry) compiled {
	for _, r := range j.rules {
		if j.fits(r.conditions, entry) {
			return r
		}
	}
	return compiled{}
}

func (j judge) fits(conditions []condition, entry homeserver.Entry) bool {
	for _, c := range conditions {
		if !j.holds(c, entry) {
			return false
		}
	}
	return true
}

// holds says whether a condition is true of an event. Unknown ones are not.
func (j judge) holds(c condition, entry homeserver.Entry) bool {
	switch c.Kind {
	case "event_match":
		return matchesProperty(c, entry.Event)
	case "event_property_is":
		return same(property(entry.Event, c.Key), c.Value)
	case "event_property_contains":
		return contains(property(entry.Event, c.Key), c.Value)
	case "contains_display_name":
		return j.named(entry)
	case "room_member_count":
		return memberCount(c.Is, entry.State)
	case "sender_notification_permission":
		return entry.State.MayNotify(string(entry.Event.Sender()), c.Key)
	}
	return false
}

// property returns a property by its dotted path, in which a backslash takes a dot's or a backslash's meaning away.
func property(pdu *event.PDU, key string) json.RawMessage {
	value := json.RawMessage(pdu.JSON())
	for key != "" {
		var step string
		step, key = cutPath(key)
		if len(value) == 0 || value[0] != '{' {
			return nil
		}
		value = matrix.Lookup(value, step)
	}
	return value
}

func cutPath(key string) (step, rest string) {
	var b strings.Builder
	for i := 0; i < len(key); i++ {
		switch {
		case key[i] == '\\' && i+1 < len(key) && (key[i+1] == '.' || key[i+1] == '\\'):
			i++
			b.WriteByte(key[i])
		case key[i] == '.':
			return b.String(), key[i+1:]
		default:
			b.WriteByte(key[i])
		}
	}
	return b.String(), ""
}

// matchesProperty compares a text with a pattern: the whole of it, or for the body of a message any words.
func matchesProperty(c condition, pdu *event.PDU) bool {
	var text string
	if json.Unmarshal(property(pdu, c.Key), &text) != nil {
		return false
	}
	pattern, text := strings.ToLower(c.Pattern), strings.ToLower(text)
	if c.Key == "content.body" {
		return containsWords(text, pattern)
	}
	return homeserver.Glob(pattern, text)
}

// containsWords says whether a part of the text matches the pattern that begins and ends where words do.
func containsWords(text, pattern string) bool {
	if pattern == "" {
		return false
	}
	if !strings.ContainsAny(pattern, "*?") {
		return containsWord(text, pattern)
	}
	// Between the boundaries of words, anything may stand around the part.
	var words strings.Builder
	words.WriteByte(' ')
	for _, r := range text {
		if isWord(r) {
			words.WriteRune(r)
		} else {
			words.WriteString(" " + string(r) + " ")
		}
	}
	words.WriteByte(' ')
	return homeserver.Glob("* "+pattern+" *", words.String())
}

func containsWord(text, word string) bool {
	for from := 0; ; {
		at := strings.Index(text[from:], word)
		if at < 0 {
			return false
		}
		start, end := from+at, from+at+len(word)
		before, _ := utf8.DecodeLastRuneInString(text[:start])
		after, size := utf8.DecodeRuneInString(text[start:])
		next, _ := utf8.DecodeRuneInString(text[end:])
		last, _ := utf8.DecodeLastRuneInString(text[:end])
		if !(isWord(before) && isWord(after)) && !(isWord(last) && isWord(next)) {
			return true
		}
		from = start + size
	}
}

func isWord(r rune) bool {
	return r == '_' || r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

func same(raw json.RawMessage, value any) bool {
	var got any
	if raw == nil || json.Unmarshal(raw, &got) != nil {
		return false
	}
	switch got.(type) {
	case nil, string, bool, float64:
		return got == value
	}
	return false
}

func contains(raw json.RawMessage, value any) bool {
	var list []json.RawMessage
	if raw == nil || json.Unmarshal(raw, &list) != nil {
		return false
	}
	for _, item := range list {
		if same(item, value) {
			return true
		}
	}
	return false
}

// named says whether a message has the user's display name in the room.
func (j judge) named(entry homeserver.Entry) bool {
	member := entry.State.Get(matrix.TypeMember, j.user)
	if member == nil {
		return false
	}
	name := strings.ToLower(memberProfile(member)["display_name"])
	var body string
	if name == "" || json.Unmarshal(property(entry.Event, "content.body"), &body) != nil {
		return false
	}
	return containsWord(strings.ToLower(body), name)
}

// memberCount evaluates "2", "==2", "<2", ">2", "<=2" or ">=2". It counts no further than it needs to.
func memberCount(is string, state *homeserver.State) bool {
	digits := strings.TrimLeft(is, "<>=")
	than, err := strconv.Atoi(digits)
	if err != nil {
		return false
	}
	n := 0
	for pdu := range state.Members() {
		if pdu.Membership() == matrix.Join {
			n++
		}
		if n > than {
			break
		}
	}
	switch strings.TrimSuffix(is, digits) {
	case "", "==":
		return n == than
	case "<":
		return n < than
	case ">":
		return n > than
	case "<=":
		return n <= than
	case ">=":
		return n >= than
	}
	return false
}
