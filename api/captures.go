package api

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"meshsim/fabric"
	"meshsim/node"
	"meshsim/topo"
)

type captureGet struct {
	Link    string  `query:"link" pattern:"^[0-9]{1,7}-[0-9]{1,7}$" patternDescription:"two ids with a hyphen, e.g. 0-3" doc:"Capture what passes over this link in both directions, e.g. 0-3."`
	Server  string  `query:"server" pattern:"^[0-9]{1,7}$" patternDescription:"the id of a server" doc:"Capture what this server sends and is given."`
	Seconds float64 `query:"seconds" minimum:"0" maximum:"86400" doc:"Stop after so long; absent or 0 is when the reader goes."`
	Packets int     `query:"packets" minimum:"0" maximum:"1000000000" doc:"Stop after so many packets; absent or 0 is when the reader goes."`
}

func (v *v1) registerCaptures(api huma.API) {
	op := operation("capture", http.MethodGet, "/captures", "captures", "Capture packets, as pcapng",
		"Name a link or a server. The packets are streamed as they pass until the reader goes, or a bound is reached: "+
			"curl -sN 'http://localhost:3000/api/v1/captures?link=0-1' | wireshark -k -i -")
	op.Responses = map[string]*huma.Response{
		"200": {
			Description: "A pcapng file that grows.",
			Content: map[string]*huma.MediaType{
				captureType: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
			},
		},
	}
	huma.Register(api, op, v.capture)
}

// captureType is the media type of captures; pcapng has no registered one.
const captureType = "application/x-pcapng"

func (v *v1) capture(_ context.Context, in *captureGet) (*huma.StreamResponse, error) {
	scene, err := v.scene(in)
	if err != nil {
		return nil, problemOf(err)
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		r, w := humago.Unwrap(ctx)
		v.stream(r.Context(), w, scene, in)
	}}, nil
}

// scene is what a request wants to see. The pattern has been checked.
func (v *v1) scene(in *captureGet) (fabric.Scene, error) {
	if math.IsNaN(in.Seconds) { // which is neither below nor above a bound
		return fabric.Scene{}, badValue("seconds is NaN: it must be a number from 0 to 86400")
	}
	if (in.Link == "") == (in.Server == "") {
		return fabric.Scene{}, badValue("name either a link (link=0-3) or a server (server=0)")
	}
	if in.Server != "" {
		id, _ := strconv.Atoi(in.Server)
		_, err := v.find(id)
		return fabric.OfNode(node.FabricNode(id)), err
	}
	first, second, _ := strings.Cut(in.Link, "-")
	a, _ := strconv.Atoi(first)
	b, _ := strconv.Atoi(second)
	_, err := v.link(linkEnds{A: a, B: b})
	pair := topo.PairOf(a, b)
	return fabric.OfLink(node.FabricLink(pair.A, pair.B)), err
}

// stream writes a capture until it is over.
func (v *v1) stream(ctx context.Context, w http.ResponseWriter, scene fabric.Scene, in *captureGet) {
	if in.Seconds > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, duration(in.Seconds*float64(time.Second/time.Millisecond)))
		defer cancel()
	}
	w.Header().Set("Content-Type", captureType)
	w.Header().Set("Content-Disposition", `attachment; filename="meshsim.pcapng"`)
	out := &captureWriter{out: w, flush: http.NewResponseController(w).Flush, left: in.Packets, bounded: in.Packets > 0}
	capture, err := v.fabric.Capture(out, scene)
	if err != nil {
		writeProblem(w, http.StatusConflict, err.Error())
		return
	}
	select {
	case <-ctx.Done():
	case <-capture.Done():
	}
	if err := capture.Stop(); err != nil && !isA[*captureFullError](err) && ctx.Err() == nil {
		v.log.Warn("capture broke off", "error", err)
	}
}
