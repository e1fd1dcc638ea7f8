package clientapi

import (
	"time"

	"meshsim/homeserver"
	"meshsim/matrix"
)

// setTyping notes that the user types.
func setTyping(c *call) (any, error) {
	if err := c.own("userId"); err != nil {
		return nil, err
	}
	var in struct {
		Typing  *bool `json:"typing"`
		Timeout int   `json:"timeout"` // ms
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.Typing == nil {
		return nil, missing("the request lacks typing")
	}
	if err := c.inRoom(); err != nil {
		return nil, err
	}
	var lasting time.Duration
	if *in.Typing {
		lasting = typingTime(in.Timeout)
	}
	c.server.SetTyping(c.vars["roomId"], c.user(), lasting)
	return empty{}, nil
}

// typingTime is how long a user counts as typing whose client gave a number of milliseconds, or none.
func typingTime(ms int) time.Duration {
	const usual, most = 30_000, 120_000
	if ms <= 0 {
		ms = usual
	}
	return time.Duration(min(ms, most)) * time.Millisecond
}

// setReceipt notes how far the user has read.
func setReceipt(c *call) (any, error) {
	var in struct {
		Thread string `json:"thread_id"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if err := c.inRoom(); err != nil {
		return nil, err
	}
	if c.vars["receiptType"] == fullyRead {
		return c.setFullyRead(c.vars["eventId"])
	}
	return empty{}, c.receipt(c.vars["receiptType"], c.vars["eventId"], in.Thread)
}

func (c *call) receipt(kind, eventID, thread string) error {
	if kind != "m.read" && kind != "m.read.private" {
		return invalid("the receipt type %q is not known: use m.read, m.read.private or m.fully_read", kind)
	}
	if err := checkChosen("thread_id", thread); err != nil {
		return err
	}
	if _, _, err := c.server.EventFor(c.user(), c.vars["roomId"], eventID); err != nil {
		return err
	}
	c.server.SetReceipt(c.vars["roomId"], homeserver.Receipt{User: c.user(), Kind: kind, Thread: thread, Event: eventID})
	return nil
}

func (c *call) setFullyRead(eventID string) (any, error) {
	return c.setAccountData(fullyRead, marshal(map[string]string{"event_id": eventID}))
}

// setReadMarkers sets several markers at once.
func setReadMarkers(c *call) (any, error) {
	var in struct {
		FullyRead string `json:"m.fully_read"`
		Read      string `json:"m.read"`
		Private   string `json:"m.read.private"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if err := c.inRoom(); err != nil {
		return nil, err
	}
	for kind, eventID := range map[string]string{"m.read": in.Read, "m.read.private": in.Private} {
		if eventID == "" {
			continue
		}
		if err := c.receipt(kind, eventID, ""); err != nil {
			return nil, err
		}
	}
	if in.FullyRead == "" {
		return empty{}, nil
	}
	return c.setFullyRead(in.FullyRead)
}

// inRoom refuses users who are not in the room of the path.
func (c *call) inRoom() error {
	m, _ := c.server.MembershipOf(c.user(), c.vars["roomId"])
	if m.Membership != matrix.Join {
		return forbidden("%s is not in the room %s: join it first", c.user(), c.vars["roomId"])
	}
	return nil
}

// receiptContent is the content of an m.receipt event: by event, kind and user.
func receiptContent(receipts []homeserver.Receipt) any {
	type read struct {
		At     int64  `json:"ts"` // ms since the epoch
		Thread string `json:"thread_id,omitempty"`
	}
	content := map[string]map[string]map[string]read{}
	for _, r := range receipts {
		if content[r.Event] == nil {
			content[r.Event] = map[string]map[string]read{}
		}
		if content[r.Event][r.Kind] == nil {
			content[r.Event][r.Kind] = map[string]read{}
		}
		content[r.Event][r.Kind][r.User] = read{r.At.UnixMilli(), r.Thread}
	}
	return content
}
