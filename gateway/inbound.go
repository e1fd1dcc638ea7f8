package gateway

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"

	"meshsim/matrix"
	"meshsim/telemetry"
)

// maxLearned bounds what is kept of an answer to learn from, in bytes: make_join's are at most one event, and of 50 PDUs
// /send may say why it took none.
const maxLearned = 1 << 20

// observeHandler wraps the homeserver's handler: it learns room versions from what passes, notices what has passed its sender's
// gateway by and, where it is asked to, reports events as received once the homeserver has accepted them.
func (g *Gateway) observeHandler(h http.Handler) http.Handler {
	received := h
	if g.cfg.ReportReceived {
		received = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { g.reportReceived(w, req, h) })
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		name, args := endpoint(req.URL)
		switch {
		case name == "make_join" && len(args) > 0:
			g.learnFromAnswer(w, req, h, args[0])
		case carries(req.Method, req.URL):
			g.watchOrigin(w, req, received)
		default:
			h.ServeHTTP(w, req)
		}
	})
}

// learnFromAnswer serves make_join, whose answer names the room's version.
func (g *Gateway) learnFromAnswer(w http.ResponseWriter, req *http.Request, h http.Handler, roomID string) {
	rec := &recorder{ResponseWriter: w, budget: &g.budget}
	defer rec.release()
	h.ServeHTTP(rec, req)
	var answer struct {
		RoomVersion string `json:"room_version"`
	}
	if rec.ok() && json.Unmarshal(rec.body.Bytes(), &answer) == nil {
		g.cfg.Rooms.Learn(roomID, answer.RoomVersion, g.cfg.Name)
	}
}

// reportReceived serves a request that may carry events.
func (g *Gateway) reportReceived(w http.ResponseWriter, req *http.Request, h http.Handler) {
	body, err := g.keepBody(req)
	if err != nil {
		http.Error(w, "the body of the request did not arrive: "+err.Error(), http.StatusBadRequest)
		return
	}
	defer body.release()
	req.Body = body.reader()
	if body.rest != nil {
		h.ServeHTTP(w, req)
		return
	}
	events, _ := g.cfg.Rooms.carried(req.Method, req.URL, body.kept, "")
	rec := &recorder{ResponseWriter: w, budget: &g.budget}
	defer rec.release()
	h.ServeHTTP(rec, req)
	from, known := g.cfg.Directory.Lookup(origin(req))
	if !known || !rec.ok() {
		return
	}
	refused := refusedEvents(rec.body.Bytes())
	for _, e := range events {
		outcome := telemetry.OutcomeAccepted
		if refused[e.ID] {
			outcome = telemetry.OutcomeRejected
		}
		g.cfg.Publisher.Publish(telemetry.Received{
			At: time.Now(), Event: e, From: from.ID, To: g.cfg.ID, Basis: telemetry.Accepted, Outcome: outcome,
		})
	}
}

// refusedEvents reads the answer of /send, which has an error for each PDU that was refused.
func refusedEvents(answer []byte) map[string]bool {
	var results struct {
		PDUs map[string]struct {
			Error string `json:"error"`
		} `json:"pdus"`
	}
	if json.Unmarshal(answer, &results) != nil {
		return nil
	}
	refused := make(map[string]bool)
	for id, result := range results.PDUs {
		refused[id] = result.Error != ""
	}
	return refused
}

// origin is the server that signed a request, by its X-Matrix header (server-server specification, "Request
// Authentication"). The homeserver verifies the signature; here it only names who is spoken of.
func origin(req *http.Request) string {
	x, err := matrix.ParseXMatrix(req.Header.Get("Authorization"))
	if err != nil {
		return ""
	}
	return x.Origin
}

// recorder passes an answer on and keeps a copy of its beginning until release.
type recorder struct {
	http.ResponseWriter
	budget *budget
	status int
	body   bytes.Buffer
	full   bool // nothing more is kept
}

func (r *recorder) release() { r.budget.give(r.body.Len()) }

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	kept := min(len(p), maxLearned-r.body.Len())
	if !r.full && r.budget.take(kept) {
		r.body.Write(p[:kept])
	}
	r.full = r.full || kept < len(p) || r.body.Len() == maxLearned
	return r.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// ok tells whether the answer is a success; a handler that never says the status means 200.
func (r *recorder) ok() bool { return r.status == 0 || r.status/100 == 2 }
