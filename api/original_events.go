package api

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"meshsim/telemetry"
)

// originalPrefix is what the original's interface calls servers: this and the id, whatever the real name,
// because the old page cuts it off.
const originalPrefix = "synapse"

func originalName(id int) string { return originalPrefix + strconv.Itoa(id) }

// notification is one message of /event_notifs.
type notification struct {
	Type   string `json:"event_type"`
	Source string `json:"source"`
	Target string `json:"target"`
	Path   []int  `json:"path,omitempty"`
	Event  string `json:"event"`
}

// follow serves /event_notifs.
func (o *original) follow(w http.ResponseWriter, r *http.Request) {
	o.open.Add(1)
	defer o.open.Done()
	events := o.events.Subscribe() // before the handshake ends: nothing that follows it is missed
	defer events.Close()
	conn, ctx, cancel, err := upgrade(w, r)
	if err != nil {
		return // Accept has answered
	}
	for err == nil {
		var batch telemetry.Batch
		if batch, err = events.Next(ctx); err != nil {
			break
		}
		err = o.eachNotification(batch, func(n notification) error {
			encoded, err := json.Marshal(n)
			if err != nil {
				return err
			}
			return writeText(ctx, conn, encoded)
		})
	}
	hangUp(conn, r.Context(), cancel, err)
}

// eachNotification spells out a batch, one destination at a time. Transactions that failed have no word in
// the original's interface: it told only of sending.
func (o *original) eachNotification(b telemetry.Batch, tell func(notification) error) error {
	for _, g := range b.Sent {
		for _, to := range g.To {
			path, ok := o.mesh.PathNodes(to.Routes, g.From, to.To)
			if !ok {
				path = []int{g.From, to.To} // the old page draws along it, whatever it is
			}
			err := tell(notification{"sending", originalName(g.From), originalName(to.To), path, g.Event.ID})
			if err != nil {
				return err
			}
		}
	}
	for _, g := range b.Received {
		for _, by := range g.By {
			err := tell(notification{"receive", originalName(by.From), originalName(by.To), nil, g.Event.ID})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// maxDestinations bounds what one report may name.
const maxDestinations = 10_000

// report serves /log: an instrumented homeserver says what it sent or received.
func (o *original) report(r *http.Request) (any, error) {
	query := r.URL.Query()
	server, err := o.named("server", query.Get("server"))
	if err != nil {
		return nil, err
	}
	event := query.Get("event_id")
	if event == "" || len(event) > 255 {
		return nil, badValue("event_id is %s: it must be an event id of at most 255 bytes", quoted(event))
	}
	described := &telemetry.Event{ID: event}
	switch message := query.Get("msg"); message {
	case "ReceivedPDU":
		return nil, o.reportReceived(described, server, query.Get("origin"))
	case "SendingPDU":
		return nil, o.reportSent(described, server, query.Get("destinations"))
	default:
		return nil, badValue("msg is %s: it must be ReceivedPDU or SendingPDU", quoted(message))
	}
}

func (o *original) reportReceived(event *telemetry.Event, server int, origin string) error {
	from, err := o.named("origin", origin)
	if err != nil {
		return err
	}
	o.events.Publish(telemetry.Received{
		At:      time.Now(),
		Event:   event,
		From:    from,
		To:      server,
		Basis:   telemetry.Processed,
		Outcome: telemetry.OutcomeAccepted,
	})
	return nil
}

func (o *original) reportSent(event *telemetry.Event, server int, destinations string) error {
	var names []string
	if err := json.Unmarshal([]byte(destinations), &names); err != nil || len(names) > maxDestinations {
		return badValue(`destinations is %s: it must be a JSON list of servers, e.g. ["synapse1"]`, quoted(destinations))
	}
	ids := make([]int, len(names))
	for i, name := range names {
		var err error
		if ids[i], err = o.named("destinations", name); err != nil {
			return err
		}
	}
	now, routes := time.Now(), o.mesh.Snapshot().Routes
	for _, to := range ids {
		o.events.Publish(telemetry.Sent{
			At:        now,
			Event:     event,
			From:      server,
			To:        to,
			Routes:    routes,
			Attempt:   1,
			Transport: telemetry.HTTPS,
		})
	}
	return nil
}

// named reads a server's name in the original's interface.
func (o *original) named(field, name string) (int, error) {
	digits, ok := strings.CutPrefix(name, originalPrefix)
	id, err := strconv.Atoi(digits)
	if !ok || err != nil || originalName(id) != name {
		return 0, badValue("%s is %s: servers are called synapse0, synapse1, ... here", field, quoted(name))
	}
	return id, o.check(id)
}
