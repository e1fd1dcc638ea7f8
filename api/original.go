package api

import (
	"encoding/json"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"meshsim/link"
	"meshsim/mesh"
	"meshsim/telemetry"
	"meshsim/topo"
)

// original is the HTTP interface of the system before this one, at the root, so that its page and scripts
// work against this server unchanged. Latencies are in ms, bandwidths in bit/s, jitter and loss in percent.
//
// Two values it has no word for: a removed server stays in /data as a tombstone far off the canvas, because
// the old page takes a server's index for its id; and an unlimited bandwidth is the number that it counts
// as elsewhere, 100 Gbit/s.
type original struct {
	mesh   *mesh.Mesh
	events *telemetry.Hub
	log    *slog.Logger
	open   sync.WaitGroup // readers of /event_notifs
}

// tombstone is where removed servers are shown, in pixels.
const tombstone = -1_000_000

func (o *original) register(mux *http.ServeMux) {
	mux.HandleFunc("POST /server", o.handle(o.addServer))
	mux.HandleFunc("PUT /server/{id}/position", o.handle(o.moveServer))
	mux.HandleFunc("GET /data", o.handle(o.data))
	mux.HandleFunc("GET /defaults", o.handle(o.defaults))
	mux.HandleFunc("PUT /defaults", o.handle(o.setDefaults))
	mux.HandleFunc("PUT /link/{a}/{b}/{param}", o.handle(o.pin))
	mux.HandleFunc("DELETE /link/{a}/{b}/{param}", o.handle(o.unpin))
	mux.HandleFunc("GET /costs", o.handle(o.costs))
	mux.HandleFunc("GET /log", o.handle(o.report))
	mux.HandleFunc("GET /event_notifs", o.follow)
}

// handle answers with what the function returns as JSON, or with nothing where that is nil. Errors are one
// sentence of text; values that are not allowed are 400 here.
func (o *original) handle(f func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		body, err := f(r)
		if err != nil {
			writeSentence(w, err)
			return
		}
		if body == nil {
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(body); err != nil {
			o.log.Debug("answer not written", "path", r.URL.Path, "error", err)
		}
	}
}

func writeSentence(w http.ResponseWriter, err error) {
	status := statusOf(err)
	if status == http.StatusUnprocessableEntity {
		status = http.StatusBadRequest
	}
	if isA[*http.MaxBytesError](err) {
		status = http.StatusRequestEntityTooLarge
	}
	http.Error(w, err.Error(), status)
}

func (o *original) addServer(r *http.Request) (any, error) {
	body, err := readFields(r, "x", "y", "kind", "name")
	if err != nil {
		return nil, err
	}
	wanted := mesh.AddServer{}
	if wanted.X, wanted.Y, err = body.position(); err != nil {
		return nil, err
	}
	if wanted.Kind, err = body.text("kind"); err != nil {
		return nil, err
	}
	if wanted.Name, err = body.text("name"); err != nil {
		return nil, err
	}
	added, err := o.mesh.Add(r.Context(), wanted)
	if err != nil {
		return nil, err
	}
	if _, err := o.mesh.WaitRunning(r.Context(), added.ID); err != nil {
		return nil, err
	}
	return map[string]int{"id": added.ID}, nil
}

func (o *original) moveServer(r *http.Request) (any, error) {
	id, err := o.server(r, "id")
	if err != nil {
		return nil, err
	}
	body, err := readFields(r, "x", "y")
	if err != nil {
		return nil, err
	}
	x, y, err := body.position()
	if err != nil {
		return nil, err
	}
	return nil, o.mesh.Move(r.Context(), id, x, y)
}

type originalNode struct {
	Name    int     `json:"name"`
	X       float64 `json:"x"`
	Y       float64 `json:"y"`
	Removed bool    `json:"removed,omitempty"`
}

type originalLink struct {
	Source     int             `json:"source"`
	Target     int             `json:"target"`
	Bandwidth  int64           `json:"bandwidth"`
	Latency    float64         `json:"latency"`
	Jitter     float64         `json:"jitter"`
	PacketLoss float64         `json:"packet_loss"`
	Overrides  map[string]bool `json:"overrides,omitempty"`
}

func (o *original) data(*http.Request) (any, error) {
	snapshot := o.mesh.Snapshot()
	nodes := make([]originalNode, len(snapshot.Servers))
	for i, s := range snapshot.Servers {
		nodes[i] = originalNode{Name: s.ID, X: s.X, Y: s.Y}
		if s.State == mesh.Gone {
			nodes[i] = originalNode{Name: s.ID, X: tombstone, Y: tombstone, Removed: true}
		}
	}
	links := make([]originalLink, len(snapshot.Graph.Links))
	for i, l := range snapshot.Graph.Links {
		links[i] = originalLink{
			Source:     l.A,
			Target:     l.B,
			Bandwidth:  originalRate(l.AB.Rate),
			Latency:    rounded(milliseconds(l.AB.Delay)),
			Jitter:     rounded(jitterPct(l.AB)),
			PacketLoss: rounded(percentage(l.AB.Loss)),
			Overrides:  overrides(snapshot.Pins[l.Pair]),
		}
	}
	return map[string]any{"nodes": nodes, "links": links}, nil
}

func overrides(pins topo.LinkPins) map[string]bool {
	pinned := make(map[string]bool)
	for _, pin := range []topo.Pin{pins.AB, pins.BA} {
		for name, set := range map[string]bool{
			"latency":     pin.Latency != nil,
			"bandwidth":   pin.Bandwidth != nil,
			"jitter":      pin.Jitter != nil,
			"packet_loss": pin.Loss != nil,
		} {
			if set {
				pinned[name] = true
			}
		}
	}
	return pinned
}

// rounded leaves what a label of the old page can show.
func rounded(v float64) float64 { return math.Round(v*1000) / 1000 }

func originalRate(r link.BitRate) int64 {
	if r == link.Unlimited {
		return int64(originalUnlimited)
	}
	return int64(r)
}

func (o *original) costs(*http.Request) (any, error) {
	table, _ := o.mesh.Routes()
	var wired []int
	for _, s := range o.mesh.Snapshot().Servers {
		if s.State.Wired() {
			wired = append(wired, s.ID)
		}
	}
	costs := make(map[int]map[int]float64, len(wired))
	for _, from := range wired {
		row := make(map[int]float64, len(wired))
		for _, to := range wired {
			if cost, ok := table.Cost(from, to); ok {
				row[to] = cost
			}
		}
		costs[from] = row
	}
	return costs, nil
}

// server reads a server's id from a part of the path.
func (o *original) server(r *http.Request, part string) (int, error) {
	text := r.PathValue(part)
	id, err := strconv.Atoi(text)
	if err != nil {
		return 0, badValue("%s is no server id: ids are whole numbers from 0", quoted(text))
	}
	return id, o.check(id)
}

func (o *original) check(id int) error {
	_, err := serverIn(o.mesh.Snapshot(), id)
	return err
}

// linkParam reads the link and the parameter that a path names.
func (o *original) linkParam(r *http.Request) (pair topo.Pair, param string, err error) {
	a, err := o.server(r, "a")
	if err != nil {
		return pair, "", err
	}
	b, err := o.server(r, "b")
	if err != nil {
		return pair, "", err
	}
	if a == b {
		return pair, "", badValue("a link has two different ends, both are server %d", a)
	}
	param = r.PathValue("param")
	switch param {
	case "latency", "bandwidth", "jitter", "packet_loss":
		return topo.PairOf(a, b), param, nil
	}
	return pair, "", badValue("%s is no parameter of a link: latency, bandwidth, jitter and packet_loss are", quoted(param))
}

func (o *original) pin(r *http.Request) (any, error) {
	pair, param, err := o.linkParam(r)
	if err != nil {
		return nil, err
	}
	body, err := readFields(r, param)
	if err != nil {
		return nil, err
	}
	pin, err := body.pin(param)
	if err != nil {
		return nil, err
	}
	return nil, o.mesh.PinParams(r.Context(), pair, pin)
}

func (o *original) unpin(r *http.Request) (any, error) {
	pair, param, err := o.linkParam(r)
	if err != nil {
		return nil, err
	}
	return nil, o.mesh.UnpinParams(r.Context(), pair, anyPin(param))
}

// anyPin sets one parameter, to whatever value.
func anyPin(param string) topo.Pin {
	switch param {
	case "latency":
		return topo.Pin{Latency: new(time.Duration)}
	case "bandwidth":
		return topo.Pin{Bandwidth: new(link.BitRate)}
	case "jitter":
		return topo.Pin{Jitter: new(topo.Percent)}
	default:
		return topo.Pin{Loss: new(topo.Percent)}
	}
}

func quoted(s string) string {
	const most = 80
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return strconv.Quote(s)
}
