package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"meshsim/gateway"
)

// Transports chooses how the requests of embedded servers travel (gateway.Transports). It is safe for concurrent use.
type Transports interface {
	Choice() gateway.Choice
	Set(gateway.Choice)
}

// Transport is how the requests of servers travel.
type Transport struct {
	Transport string `json:"transport" enum:"https,lowband,auto" doc:"auto takes lowband (CoAP, CBOR and Noise over UDP) on paths below 20 kbit/s."`
}

func (v *v1) registerTransport(api huma.API) {
	const tag = "settings"
	huma.Register(api, operation("get-transport", http.MethodGet, "/transport", tag, "How servers talk to each other", ""),
		func(context.Context, *nothing) (*result[Transport], error) { return v.transport(), nil })
	huma.Register(api, operation("put-transport", http.MethodPut, "/transport", tag, "Change how servers talk to each other",
		"Holds for requests from now on. Servers in containers talk HTTPS whatever is chosen. Each event of the stream says "+
			"which transport it took."),
		func(_ context.Context, in *struct{ Body Transport }) (*result[Transport], error) {
			choice, err := gateway.ParseChoice(in.Body.Transport)
			if err != nil {
				return nil, problemOf(err)
			}
			v.transports.Set(choice)
			return v.transport(), nil
		})
}

func (v *v1) transport() *result[Transport] {
	return &result[Transport]{Body: Transport{Transport: string(v.transports.Choice())}}
}
