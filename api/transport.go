package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"meshsim/gateway"
	"meshsim/link"
)

// Transports chooses how the requests between servers travel (gateway.Transports). It is safe for concurrent use.
type Transports interface {
	Choice() gateway.Choice
	Set(gateway.Choice)
	Below() link.BitRate
	SetBelow(link.BitRate) error
	// Changed returns a channel that is closed with the next change.
	Changed() <-chan struct{}
}

// Transport is how the requests of servers travel.
type Transport struct {
	Transport string `json:"transport" enum:"https,lowband,auto" doc:"lowband is CoAP, CBOR and Noise over UDP; auto takes it on slow paths."`
	// Below is what auto counts as slow. A path that took lowband goes back when it is half as fast again.
	Below *Bandwidth `json:"below,omitempty" doc:"The rate of a path's slowest link below which auto takes lowband; absent changes nothing. 20000 at first."`
}

func (v *v1) registerTransport(api huma.API) {
	const tag = "settings"
	huma.Register(api, operation("get-transport", http.MethodGet, "/transport", tag, "How servers talk to each other", ""),
		func(context.Context, *nothing) (*result[Transport], error) {
			return &result[Transport]{Body: v.transport()}, nil
		})
	huma.Register(api, operation("put-transport", http.MethodPut, "/transport", tag, "Change how servers talk to each other",
		"Holds for requests from now on. Containers whose gateway is not observed, or absent, talk HTTPS whatever is chosen. Each "+
			"event of the stream says which transport it took."),
		func(_ context.Context, in *struct{ Body Transport }) (*result[Transport], error) {
			choice, err := gateway.ParseChoice(in.Body.Transport)
			if err != nil {
				return nil, problemOf(err)
			}
			if in.Body.Below != nil {
				if err := v.transports.SetBelow(link.BitRate(*in.Body.Below)); err != nil {
					return nil, problemOf(err)
				}
			}
			v.transports.Set(choice)
			return &result[Transport]{Body: v.transport()}, nil
		})
}

func (v *v1) transport() Transport {
	below := Bandwidth(v.transports.Below())
	return Transport{Transport: string(v.transports.Choice()), Below: &below}
}
