package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

func (v *v1) registerSettings(api huma.API) {
	const tag = "settings"
	huma.Register(api, operation("get-settings", http.MethodGet, "/settings", tag, "The settings of the whole mesh", ""),
		func(context.Context, *nothing) (*result[Settings], error) {
			return answer(settingsOf(v.mesh.Snapshot().Settings), nil)
		})
	huma.Register(api, operation("put-settings", http.MethodPut, "/settings", tag, "Replace all settings",
		"Links and routes follow at once."),
		func(ctx context.Context, in *struct{ Body Settings }) (*result[Settings], error) {
			if err := v.mesh.SetSettings(ctx, in.Body.topo()); err != nil {
				return nil, problemOf(err)
			}
			return answer(settingsOf(v.mesh.Snapshot().Settings), nil)
		})
}
