package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"meshsim/node"
)

// MemorySavings asks what merging equal pages of memory saves; nil where none are merged.
type MemorySavings func() (node.MemorySavings, error)

// Merging is what merging equal pages of memory saves on the whole machine.
type Merging struct {
	On          bool  `json:"on" doc:"Equal pages of servers in containers are kept once (--ksm)."`
	SavedBytes  int64 `json:"saved_bytes" doc:"What the equal pages would take besides those that are kept."`
	ProfitBytes int64 `json:"profit_bytes" doc:"The same without what the kernel spends to find them."`
}

func (v *v1) registerMerging(api huma.API) {
	huma.Register(api, operation("get-merging", http.MethodGet, "/merging", "meshsim", "What merging equal memory of servers saves", ""), v.merging)
}

func (v *v1) merging(context.Context, *nothing) (*result[Merging], error) {
	if v.savings == nil {
		return answer(Merging{}, nil)
	}
	saved, err := v.savings()
	return answer(Merging{On: true, SavedBytes: saved.Saved, ProfitBytes: saved.Profit}, err)
}
