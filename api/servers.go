package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"meshsim/mesh"
)

// serverID is the part of an address that names a server.
type serverID struct {
	ID int `path:"id" minimum:"0" maximum:"8388605" doc:"Id of a server."`
}

func (v *v1) registerServers(api huma.API) {
	const tag = "servers"
	huma.Register(api, operation("list-servers", http.MethodGet, "/servers", tag, "All servers, by id",
		"Removed servers stay in the list with the state gone: ids are never given twice."), v.listServers)
	huma.Register(api, creating(operation("add-server", http.MethodPost, "/servers", tag, "Add a server and start it",
		"Answers at once; the server's state tells when it runs.")), v.addServer)
	huma.Register(api, operation("get-server", http.MethodGet, "/servers/{id}", tag, "One server", ""), v.getServer)
	huma.Register(api, operation("move-server", http.MethodPatch, "/servers/{id}", tag, "Move a server",
		"Links, latencies and routes follow at once."), v.moveServer)
	huma.Register(api, operation("remove-server", http.MethodDelete, "/servers/{id}", tag, "Remove a server",
		"It is stopped if need be. Restoring it brings back the same id, key and rooms, for as long as --keep-removed says "+
			"(10 minutes unless told otherwise); then its data is deleted for good, with a container its volume and database."), v.removeServer)
	v.registerAction(api, "start", "Start a stopped or failed server", (*mesh.Mesh).Start)
	v.registerAction(api, "stop", "Stop a server, also while it is starting; it keeps its key and rooms", (*mesh.Mesh).Stop)
	v.registerAction(api, "pause", "Freeze a running server: it keeps its connections and does nothing", (*mesh.Mesh).Pause)
	v.registerAction(api, "resume", "Let a paused server go on", (*mesh.Mesh).Resume)
	v.registerAction(api, "restore", "Bring back a removed server; a conflict once its data is deleted", (*mesh.Mesh).Restore)
	v.registerTools(api)
	v.registerMerging(api)
}

// registerAction registers one step of a server's life cycle. A step that is impossible in the server's
// state is a conflict.
func (v *v1) registerAction(api huma.API, name, summary string, act func(*mesh.Mesh, context.Context, int) error) {
	op := operation(name+"-server", http.MethodPost, "/servers/{id}/"+name, "servers", summary,
		"Answers once the step has begun; the server's state tells how it goes.")
	huma.Register(api, op, func(ctx context.Context, in *serverID) (*result[Server], error) {
		if err := act(v.mesh, ctx, in.ID); err != nil {
			return nil, problemOf(err)
		}
		return answer(v.server(in.ID))
	})
}

func (v *v1) listServers(context.Context, *nothing) (*result[[]Server], error) {
	return answer(v.view.servers(v.mesh.Snapshot().Servers), nil)
}

func (v *v1) getServer(_ context.Context, in *serverID) (*result[Server], error) {
	return answer(v.server(in.ID))
}

func (v *v1) addServer(ctx context.Context, in *struct{ Body NewServer }) (*result[Server], error) {
	added, err := v.mesh.Add(ctx, mesh.AddServer(in.Body))
	if err != nil {
		return nil, problemOf(err)
	}
	return answer(v.view.server(added), nil)
}

type movePatch struct {
	ID   int `path:"id" minimum:"0" maximum:"8388605" doc:"Id of a server."`
	Body ServerPatch
}

func (v *v1) moveServer(ctx context.Context, in *movePatch) (*result[Server], error) {
	now, err := v.find(in.ID)
	if err != nil {
		return nil, problemOf(err)
	}
	x, y := now.X, now.Y
	if in.Body.X != nil {
		x = *in.Body.X
	}
	if in.Body.Y != nil {
		y = *in.Body.Y
	}
	if err := v.mesh.Move(ctx, in.ID, x, y); err != nil {
		return nil, problemOf(err)
	}
	return answer(v.server(in.ID))
}

func (v *v1) removeServer(ctx context.Context, in *serverID) (*result[Server], error) {
	if err := v.mesh.Remove(ctx, in.ID); err != nil {
		return nil, problemOf(err)
	}
	return answer(v.server(in.ID))
}

func (v *v1) server(id int) (Server, error) {
	found, err := v.find(id)
	if err != nil {
		return Server{}, err
	}
	return v.view.server(found), nil
}

func (v *v1) find(id int) (mesh.Server, error) { return serverIn(v.mesh.Snapshot(), id) }

// serverIn finds a server, removed ones included, or fails with *unknownServerError.
func serverIn(s *mesh.Snapshot, id int) (mesh.Server, error) {
	if id < 0 || id >= len(s.Servers) {
		return mesh.Server{}, &unknownServerError{id: id, count: len(s.Servers)}
	}
	return s.Servers[id], nil
}
