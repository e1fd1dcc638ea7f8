package clientapi

import (
	"slices"
	"strings"

	"meshsim/matrix"
)

// ruleset is the push rules of a user (client-server API, push notifications). This server sends no push
// notifications and keeps no rules of its own: everybody has the predefined ones.
type ruleset struct {
	Override  []rule `json:"override"`
	Underride []rule `json:"underride"`
	Sender    []rule `json:"sender"`
	Room      []rule `json:"room"`
	Content   []rule `json:"content"`
}

type rule struct {
	ID         string      `json:"rule_id"`
	Default    bool        `json:"default"`
	Enabled    bool        `json:"enabled"`
	Pattern    string      `json:"pattern,omitempty"`
	Conditions []condition `json:"conditions,omitempty"`
	Actions    []any       `json:"actions"`
}

type condition struct {
	Kind    string `json:"kind"`
	Key     string `json:"key,omitempty"`
	Pattern string `json:"pattern,omitempty"`
	Value   any    `json:"value,omitempty"`
	Is      string `json:"is,omitempty"`
}

type tweak struct {
	Name  string `json:"set_tweak"`
	Value any    `json:"value,omitempty"`
}

func pushRules(user string) any {
	return map[string]ruleset{"global": predefined(user)}
}

// predefined are the server-default rules of the specification.
func predefined(user string) ruleset {
	return ruleset{
		Override:  overrides(user),
		Underride: underrides(),
		Sender:    []rule{},
		Room:      []rule{},
		Content:   []rule{},
	}
}

func overrides(user string) []rule {
	highlight, sound := tweak{Name: "highlight"}, tweak{"sound", "default"}
	master := standard(".m.rule.master", nil)
	master.Enabled = false
	master.Conditions = []condition{}
	return []rule{
		master,
		standard(".m.rule.suppress_notices", nil, match("content.msgtype", "m.notice")),
		standard(".m.rule.invite_for_me", []any{"notify", sound},
			match("type", matrix.TypeMember), match("content.membership", "invite"), match("state_key", user)),
		standard(".m.rule.member_event", nil, match("type", matrix.TypeMember)),
		standard(".m.rule.is_user_mention", []any{"notify", sound, highlight},
			condition{Kind: "event_property_contains", Key: `content.m\.mentions.user_ids`, Value: user}),
		standard(".m.rule.is_room_mention", []any{"notify", highlight},
			is(`content.m\.mentions.room`, true), condition{Kind: "sender_notification_permission", Key: "room"}),
		standard(".m.rule.tombstone", []any{"notify", highlight},
			match("type", matrix.TypeTombstone), match("state_key", "")),
		standard(".m.rule.reaction", nil, match("type", "m.reaction")),
		standard(".m.rule.room.server_acl", nil, match("type", matrix.TypeServerACL), match("state_key", "")),
		standard(".m.rule.suppress_edits", nil, is(`content.m\.relates_to.rel_type`, "m.replace")),
	}
}

func underrides() []rule {
	two := condition{Kind: "room_member_count", Is: "2"}
	sound := tweak{"sound", "default"}
	return []rule{
		standard(".m.rule.call", []any{"notify", tweak{"sound", "ring"}}, match("type", "m.call.invite")),
		standard(".m.rule.encrypted_room_one_to_one", []any{"notify", sound}, two, match("type", "m.room.encrypted")),
		standard(".m.rule.room_one_to_one", []any{"notify", sound}, two, match("type", matrix.TypeMessage)),
		standard(".m.rule.message", []any{"notify"}, match("type", matrix.TypeMessage)),
		standard(".m.rule.encrypted", []any{"notify"}, match("type", "m.room.encrypted")),
	}
}

func standard(id string, actions []any, conditions ...condition) rule {
	if actions == nil {
		actions = []any{}
	}
	return rule{ID: id, Default: true, Enabled: true, Conditions: conditions, Actions: actions}
}

func match(key, pattern string) condition {
	return condition{Kind: "event_match", Key: key, Pattern: pattern}
}

func is(key string, value any) condition {
	return condition{Kind: "event_property_is", Key: key, Value: value}
}

func getPushRules(c *call) (any, error) { return pushRules(c.user()), nil }

func getGlobalPushRules(c *call) (any, error) { return predefined(c.user()), nil }

func getPushRule(c *call) (any, error) {
	r, err := c.pushRule()
	if err != nil {
		return nil, err
	}
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

func (c *call) pushRule() (rule, error) {
	set := predefined(c.user())
	rules := map[string][]rule{
		"override": set.Override, "underride": set.Underride, "sender": set.Sender, "room": set.Room, "content": set.Content,
	}[c.vars["kind"]]
	i := slices.IndexFunc(rules, func(r rule) bool { return r.ID == c.vars["ruleId"] })
	if i < 0 {
		return rule{}, notFound("there is no push rule %s/%s", c.vars["kind"], c.vars["ruleId"])
	}
	return rules[i], nil
}

// refusePushRule: rules that were accepted and then did nothing would be a lie.
func refusePushRule(c *call) (any, error) {
	if !strings.HasPrefix(c.vars["ruleId"], ".") {
		return nil, forbidden("this server keeps no push rules beside the predefined ones")
	}
	return nil, forbidden("the predefined push rules cannot be changed on this server")
}
