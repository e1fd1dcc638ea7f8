package eventauth

import (
	"fmt"
	"strconv"
	"strings"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// Error is a rejection by an authorisation rule.
type Error struct {
	EventID matrix.EventID
	Version string // room version whose numbering Rule uses
	Rule    string // such as "5.3.3"
	Reason  string
}

func (e *Error) Error() string {
	return fmt.Sprintf("event %s is rejected by rule %s of room version %s: %s", e.EventID, e.Rule, e.Version, e.Reason)
}

// reject builds an Error from a rule number of room version 12.
func reject(p *event.PDU, rule, format string, args ...any) error {
	v := p.Version()
	return &Error{EventID: p.ID(), Version: v.ID, Rule: ruleNumber(v, rule), Reason: fmt.Sprintf(format, args...)}
}

// ruleNumber translates a rule number of room version 12 into the numbering of an older version, which lacks
// rules 2 and 10.4.
func ruleNumber(v *matrix.RoomVersion, rule string) string {
	if v.CreatorsPrivileged {
		return rule
	}
	parts := strings.Split(rule, ".")
	main, err := strconv.Atoi(parts[0])
	if err != nil || main < 2 {
		return rule
	}
	if main == 10 && len(parts) > 1 {
		if sub, err := strconv.Atoi(parts[1]); err == nil && sub > 4 {
			parts[1] = strconv.Itoa(sub - 1)
		}
	}
	parts[0] = strconv.Itoa(main - 1)
	return strings.Join(parts, ".")
}
