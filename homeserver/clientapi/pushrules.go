package clientapi

import "meshsim/matrix"

// ruleset is the push rules of a user (client-server API, push notifications), by kind, each kind in the order in
// which rules are tried. This server sends no push notifications: the rules decide what counts as unread.
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
	Conditions []condition `json:"conditions,omitempty"` // of override and underride rules
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
