package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// Chatter is what the members of a room say by themselves.
type Chatter struct {
	PerSecond float64 `json:"per_second" doc:"Messages a second, altogether and on average; 0 is silence."`
	Sent      uint64  `json:"sent" doc:"Messages that a homeserver took."`
	Failed    uint64  `json:"failed" doc:"Messages that a homeserver refused."`
	Skipped   uint64  `json:"skipped" doc:"Messages that were not tried: too many were under way, or no member runs."`
	Reason    string  `json:"reason,omitempty" doc:"Of the last failure."`
}

type chatterGet struct {
	Room string `path:"room" maxLength:"255" doc:"Id of a room made here, e.g. !abc:hs0, percent-encoded."`
}

type chatterPut struct {
	Room string `path:"room" maxLength:"255" doc:"Id of a room made here, e.g. !abc:hs0, percent-encoded."`
	Body NewChatter
}

// NewChatter sets the rate of chatter.
type NewChatter struct {
	PerSecond float64 `json:"per_second" minimum:"0" maximum:"200" doc:"Messages a second, altogether and on average; 0 is silence, and the least besides is 0.001."`
}

func (v *v1) registerChatter(api huma.API) {
	const tag = "rooms"
	huma.Register(api, operation("get-chatter", http.MethodGet, "/rooms/{room}/chatter", tag, "What a room's chatter has come to", ""), v.getChatter)
	huma.Register(api, operation("set-chatter", http.MethodPut, "/rooms/{room}/chatter", tag, "Let the members speak by themselves, or fall silent",
		"Who speaks is drawn from the members whose servers run; the times between messages are exponentially distributed."), v.setChatter)
}

func (v *v1) getChatter(_ context.Context, in *chatterGet) (*result[Chatter], error) {
	said, err := v.talk.Chatter(in.Room)
	return answer(Chatter(said), err)
}

func (v *v1) setChatter(_ context.Context, in *chatterPut) (*result[Chatter], error) {
	said, err := v.talk.SetChatter(in.Room, in.Body.PerSecond)
	return answer(Chatter(said), err)
}
