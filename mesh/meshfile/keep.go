package meshfile

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"meshsim/mesh"
)

// saveInterval is how long changes are gathered before the file is written.
const saveInterval = time.Second

// Transports knows how servers talk to each other (gateway.Transports).
type Transports interface {
	Chooser
	// Changed returns a channel that is closed at the next change.
	Changed() <-chan struct{}
}

// Keep keeps the file at path up to date with a mesh and its transports until ctx or the mesh ends, and returns after a
// last write with that one's error. A write that fails meanwhile is logged once and tried again. A file that
// already says what the mesh is stays as it is, comments included, until something changes. What somebody else has
// written into the file meanwhile is put aside and not lost: the mesh that runs wins.
func Keep(ctx context.Context, m *mesh.Mesh, transports Transports, path string, log *slog.Logger) error {
	k := keeper{mesh: m, transports: transports, path: path, log: log, changed: transports.Changed()}
	changes := m.Subscribe()
	if data, err := os.ReadFile(path); err == nil {
		if said, err := Decode(data); err == nil {
			k.written, k.onDisk = Encode(PlanOf(changes.Snapshot(), said.Transport.OrDefault())), data
		}
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
	mesh       *mesh.Mesh
	transports Transports
	changed    <-chan struct{} // closed when transports say something new
	path       string
	log        *slog.Logger
	written    []byte // the mesh that the file describes
	onDisk     []byte // the bytes that it held when it was last read or written
}

// save writes the file if it does not say what the mesh is.
func (k *keeper) save() error {
	k.changed = k.transports.Changed()
	data := Encode(PlanOf(k.mesh.Snapshot(), TransportOf(k.transports)))
	if bytes.Equal(data, k.written) {
		return nil
	}
	if err := k.putAside(); err != nil {
		return err
	}
	if err := replace(k.path, data); err != nil {
		return err
	}
	k.written, k.onDisk = data, data
	return nil
}

// putAside copies the file to another name if somebody else has changed it.
func (k *keeper) putAside() error {
	data, err := os.ReadFile(k.path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && bytes.Equal(data, k.onDisk) {
		return nil
	}
	if err != nil {
		return err
	}
	aside, err := os.CreateTemp(filepath.Dir(k.path), filepath.Base(k.path)+".edited-*")
	if err != nil {
		return err
	}
	_, err = aside.Write(data)
	if err = errors.Join(err, aside.Close()); err != nil {
		return err
	}
	k.onDisk = data // it is safe now, whether or not the next write succeeds
	k.log.Warn("the mesh file was changed while meshsim runs, which goes by what it knows; the change is kept beside it",
		"file", k.path, "change", aside.Name())
	return nil
}

// wait returns when it is time to write again, and false when the end has come.
func (k *keeper) wait(ctx context.Context, changes *mesh.Subscription, failing bool) bool {
	if !failing && !k.awaitChange(ctx, changes) {
		return false
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

// awaitChange returns when the mesh or its transports change, and false when the end has come.
func (k *keeper) awaitChange(ctx context.Context, changes *mesh.Subscription) bool {
	either, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-k.changed:
			cancel()
		case <-either.Done():
		}
	}()
	_, err := changes.Next(either)
	cancel()
	<-done
	return err == nil || errors.Is(err, context.Canceled) && ctx.Err() == nil
}
