package homeserver

import (
	"encoding/json"
	"slices"
	"testing"

	"meshsim/matrix"
)

// Names of properties are exact in access control lists and join rules: "Deny" says nothing.
func TestServerACLIsReadExactly(t *testing.T) {
	for name, c := range map[string]struct {
		content string
		server  string
		allows  bool
	}{
		"allowed":               {`{"allow":["*"]}`, "a.example", true},
		"denied":                {`{"allow":["*"],"deny":["A.example"]}`, "a.example:8448", false},
		"nobody-allowed":        {`{"deny":[]}`, "a.example", false},
		"other-case":            {`{"Allow":["*"],"allow":["b.example"]}`, "a.example", false},
		"other-case-deny":       {`{"DENY":["*"],"allow":["*"]}`, "a.example", true},
		"literal":               {`{"allow":["*"],"allow_ip_literals":false}`, "10.0.0.1:8448", false},
		"literal-other-case":    {`{"Allow_ip_literals":false,"allow":["*"]}`, "[::1]:8448", true},
		"other-types-left-out":  {`{"allow":["*"],"deny":[7,null,"a.example"]}`, "a.example", false},
		"list-of-another-type":  {`{"allow":"*"}`, "a.example", false},
		"literals-another-type": {`{"allow":["*"],"allow_ip_literals":"no"}`, "10.0.0.1", true},
	} {
		content, err := matrix.CanonicalJSON([]byte(c.content))
		if err != nil {
			t.Fatal(err)
		}
		if got := readACL(content).allows(c.server); got != c.allows {
			t.Errorf("%s: %s is allowed: %v", name, c.server, got)
		}
	}
}

func TestJoinRulesAreReadExactly(t *testing.T) {
	content := json.RawMessage(`{"Join_rule":"public","allow":[{"Room_id":"!x:a","room_id":"!r:a","type":"m.room_membership"},7],"join_rule":"restricted"}`)
	rules := readJoinRules(content)
	want := []joinCondition{{"m.room_membership", "!r:a"}, {}}
	if rules.JoinRule != "restricted" || !slices.Equal(rules.Allow, want) {
		t.Errorf("got %+v", rules)
	}
}
