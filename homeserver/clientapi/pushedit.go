package clientapi

import (
	"encoding/json"
	"slices"
	"strings"

	"meshsim/homeserver"
)

// maxRules bounds the push rules of a user.
const maxRules = 1000

// storedRules is how push rules stand in the user's account data.
type storedRules struct {
	Global ruleset `json:"global"`
}

// rulesOf returns a user's push rules: those that they changed, otherwise the predefined ones.
func rulesOf(server *homeserver.Server, user string) ruleset {
	stored, err := server.AccountDataOf(user, "", pushRule)
	var in storedRules
	if err != nil || json.Unmarshal(stored, &in) != nil {
		return predefined(user)
	}
	return in.Global
}

func pushRules(c *call) storedRules { return storedRules{rulesOf(c.server, c.user())} }

func getPushRules(c *call) (any, error) { return pushRules(c), nil }

func getGlobalPushRules(c *call) (any, error) { return pushRules(c).Global, nil }

// kind is the list of the rules of a kind, nil for an unknown kind.
func (s *ruleset) kind(name string) *[]rule {
	switch name {
	case "override":
		return &s.Override
	case "underride":
		return &s.Underride
	case "sender":
		return &s.Sender
	case "room":
		return &s.Room
	case "content":
		return &s.Content
	}
	return nil
}

func (s *ruleset) count() int {
	return len(s.Override) + len(s.Underride) + len(s.Sender) + len(s.Room) + len(s.Content)
}

// pushRule returns the rule that a request is about. list is nil for an unknown kind, at negative for an unknown id.
func (c *call) pushRule(set *ruleset) (list *[]rule, at int, err error) {
	list = set.kind(c.vars["kind"])
	if list == nil {
		return nil, 0, notFound("%.40q: push rules are of the kinds override, content, room, sender and underride", c.vars["kind"])
	}
	at = indexOfRule(*list, c.vars["ruleId"])
	if at < 0 {
		return list, at, notFound("there is no push rule %s/%s", c.vars["kind"], c.vars["ruleId"])
	}
	return list, at, nil
}

func indexOfRule(list []rule, id string) int {
	return slices.IndexFunc(list, func(r rule) bool { return r.ID == id })
}

func getPushRule(c *call) (any, error) {
	set := rulesOf(c.server, c.user())
	list, at, err := c.pushRule(&set)
	if err != nil {
		return nil, err
	}
	r := (*list)[at]
	switch c.vars["attr"] {
	case "":
		return r, nil
	case "enabled":
		return map[string]bool{"enabled": r.Enabled}, nil
	case "actions":
		return map[string][]any{"actions": r.Actions}, nil
	}
	return nil, notFound("a push rule has no attribute %q", c.vars["attr"])
}

// putPushRule adds a rule before or after another, or in front of the user's own, or replaces it.
func putPushRule(c *call) (any, error) {
	id := c.vars["ruleId"]
	if strings.HasPrefix(id, ".") || strings.ContainsAny(id, `/\`) {
		return nil, invalid("the rule id %.40q: must not begin with a dot nor have a slash", id)
	}
	if err := checkChosen("the rule id", id); err != nil {
		return nil, err
	}
	added, err := c.givenRule()
	if err != nil {
		return nil, err
	}
	set := rulesOf(c.server, c.user())
	list, at, err := c.pushRule(&set)
	if list == nil {
		return nil, err
	}
	if at >= 0 {
		added.Enabled = (*list)[at].Enabled
		*list = slices.Delete(*list, at, at+1)
	} else if set.count() >= maxRules {
		return nil, invalid("%s has %d push rules already: delete one first", c.user(), maxRules)
	}
	place, err := c.placeOfRule(*list, at)
	if err != nil {
		return nil, err
	}
	*list = slices.Insert(*list, place, added)
	return c.storeRules(set)
}

func (c *call) givenRule() (rule, error) {
	var in struct {
		Actions    []any       `json:"actions"`
		Conditions []condition `json:"conditions"`
		Pattern    string      `json:"pattern"`
	}
	if err := c.decode(&in); err != nil {
		return rule{}, err
	}
	if in.Actions == nil {
		return rule{}, missing("the push rule lacks actions")
	}
	kind := c.vars["kind"]
	if kind == "content" && in.Pattern == "" {
		return rule{}, missing("a push rule for content needs a pattern")
	}
	return rule{ID: c.vars["ruleId"], Enabled: true, Actions: in.Actions, Conditions: in.Conditions, Pattern: in.Pattern}, nil
}

// placeOfRule is where a rule goes: next to the one that the request names, where it was, or in front of the user's
// own rules, which come behind .m.rule.master and before the other predefined ones.
func (c *call) placeOfRule(list []rule, was int) (int, error) {
	before, after := c.query("before"), c.query("after")
	for name, id := range map[string]string{"before": before, "after": after} {
		if id != "" && (strings.HasPrefix(id, ".") || indexOfRule(list, id) < 0) {
			return 0, errorf(404, "M_UNKNOWN", "%s=%.40s: there is no rule of your own with this id", name, id)
		}
	}
	switch {
	case before != "":
		return indexOfRule(list, before), nil
	case after != "":
		return indexOfRule(list, after) + 1, nil
	case was >= 0:
		return was, nil
	case len(list) > 0 && list[0].ID == ".m.rule.master":
		return 1, nil
	}
	return 0, nil
}

// setPushRule changes whether a rule is enabled, or what it does.
func setPushRule(c *call) (any, error) {
	var in struct {
		Enabled *bool `json:"enabled"`
		Actions []any `json:"actions"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	set := rulesOf(c.server, c.user())
	list, at, err := c.pushRule(&set)
	if err != nil {
		return nil, err
	}
	r := &(*list)[at]
	switch attr := c.vars["attr"]; {
	case attr == "enabled" && in.Enabled != nil:
		r.Enabled = *in.Enabled
	case attr == "actions" && in.Actions != nil:
		r.Actions = in.Actions
	case attr == "enabled" || attr == "actions":
		return nil, missing("the request lacks %s", attr)
	default:
		return nil, notFound("a push rule has no attribute %q", attr)
	}
	return c.storeRules(set)
}

func deletePushRule(c *call) (any, error) {
	set := rulesOf(c.server, c.user())
	list, at, err := c.pushRule(&set)
	if err != nil {
		return nil, err
	}
	if (*list)[at].Default {
		return nil, invalid("the predefined push rule %s cannot be deleted: disable it", c.vars["ruleId"])
	}
	*list = slices.Delete(*list, at, at+1)
	return c.storeRules(set)
}

func (c *call) storeRules(set ruleset) (any, error) {
	return empty{}, c.server.SetAccountData(c.user(), homeserver.AccountData{Type: pushRule, Content: marshal(storedRules{set})})
}
