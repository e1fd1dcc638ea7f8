package meshfile

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"time"

	"meshsim/mesh"
)

// saveInterval is how long changes are gathered before the file is written.
const saveInterval = time.Second

// Keep keeps the file at path up to date with a mesh until ctx or the mesh ends, and returns after a last
// write with that one's error. A write that fails meanwhile is logged once and tried again. A file that
// already says what the mesh is stays as it is, comments included, until something changes.
func Keep(ctx context.Context, m *mesh.Mesh, path string, log *slog.Logger) error {
	k := keeper{mesh: m, path: path}
	changes := m.Subscribe()
	if _, err := os.Stat(path); err == nil {
		k.written = Encode(PlanOf(changes.Snapshot()))
	}
	failing := false
	for {
		if err := k.save(); err != nil && !failing {
			failing = true
			log.Warn("the mesh file could not be written; trying again", "file", path, "error", err)
		} else {
			failing = err != nil
		}
		if !k.wait(ctx, changes, failing) {
			return k.save()
		}
	}
}

type keeper struct {
	mesh    *mesh.Mesh
	path    string
	written []byte // what the file holds
}

// save writes the file if it does not say what the mesh is.
func (k *keeper) save() error {
	data := Encode(PlanOf(k.mesh.Snapshot()))
	if bytes.Equal(data, k.written) {
		return nil
	}
	if err := replace(k.path, data); err != nil {
		return err
	}
	k.written = data
	return nil
}

// wait returns when it is time to write again, and false when the end has come.
func (k *keeper) wait(ctx context.Context, changes *mesh.Subscription, failing bool) bool {
	if !failing {
		if _, err := changes.Next(ctx); err != nil {
			return false
		}
	}
	select {
	case <-time.After(saveInterval):
		return true
	case <-ctx.Done():
		return false
	case <-k.mesh.Done():
		return false
	}
}
