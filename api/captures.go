package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

type captureGet struct {
	Link    string  `query:"link" pattern:"^[0-9]{1,7}-[0-9]{1,7}$" patternDescription:"two ids with a hyphen, e.g. 0-3" doc:"Capture both directions of this link, e.g. 0-3."`
	Server  int     `query:"server" minimum:"-1" maximum:"8388605" default:"-1" doc:"Capture all links of this server."`
	Seconds float64 `query:"seconds" minimum:"0" maximum:"86400" doc:"Stop after so long; absent or 0 is when the reader goes."`
	Packets int     `query:"packets" minimum:"0" maximum:"1000000000" doc:"Stop after so many packets; absent or 0 is when the reader goes."`
}

func (v *v1) registerCaptures(api huma.API) {
	op := operation("capture", http.MethodGet, "/captures", "captures", "Capture packets, as pcapng",
		"Name a link or a server. The packets are streamed as they pass until the reader goes, or a bound is reached: "+
			"curl -N 'http://localhost:3000/api/v1/captures?link=0-1' | wireshark -k -i -")
	op.Responses = map[string]*huma.Response{
		"200": {
			Description: "A pcapng file that grows.",
			Content: map[string]*huma.MediaType{
				"application/x-pcapng": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
			},
		},
	}
	huma.Register(api, op, v.capture)
}

func (v *v1) capture(ctx context.Context, in *captureGet) (*huma.StreamResponse, error) {
	return nil, nil
}
