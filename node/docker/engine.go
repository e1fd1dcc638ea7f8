//go:build linux

package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"
)

// engineLimit bounds what must be done though the caller has given up: removing, by force.
const engineLimit = 20 * time.Second

// Labels of everything that the engine keeps for us.
const (
	labelOwner  = "org.meshsim.owner"  // the process and where it runs, see owner
	labelServer = "org.meshsim.server" // the server's name
)

// engine is the container engine, asked through its API in whichever version it has.
type engine struct{ api *client.Client }

func newEngine() (*engine, error) {
	api, err := client.New(client.FromEnv)
	if err != nil {
		return nil, fmt.Errorf("the environment names no Docker engine (DOCKER_HOST): %w", err)
	}
	return &engine{api: api}, nil
}

func (e *engine) close() error { return e.api.Close() }

// explain makes a sentence with the remedy of what the engine's client says.
func (e *engine) explain(err error) error {
	host := e.api.DaemonHost()
	switch {
	case err == nil:
		return nil
	case client.IsErrConnectionFailed(err) && strings.Contains(err.Error(), "permission denied"):
		return fmt.Errorf("this user may not use the Docker engine at %s: run meshsim as root, or join the group docker", host)
	case client.IsErrConnectionFailed(err):
		return fmt.Errorf("no Docker engine answers at %s: start one, e.g. with systemctl start docker or dockerd, "+
			"or choose --homeserver embedded, which needs none", host)
	case errors.Is(err, syscall.ENOSPC) || strings.Contains(err.Error(), "no space left on device"):
		return fmt.Errorf("the Docker engine's disk is full: make room, e.g. with docker system prune (%w)", err)
	default:
		return fmt.Errorf("the Docker engine says: %w", err)
	}
}

// findImage returns the first image that is there, and pulls the last one where none is.
func (e *engine) findImage(ctx context.Context, images []string, remedy string) (string, error) {
	for _, image := range images {
		_, err := e.api.ImageInspect(ctx, image)
		if err == nil {
			return image, nil
		}
		if !errdefs.IsNotFound(err) {
			return "", e.explain(err)
		}
	}
	image := images[len(images)-1]
	if err := e.pull(ctx, image); err != nil {
		return "", fmt.Errorf("the image %s is not on this machine and could not be pulled: %s (%w)", image, remedy, err)
	}
	return image, nil
}

func (e *engine) pull(ctx context.Context, image string) error {
	pulling, err := e.api.ImagePull(ctx, image, client.ImagePullOptions{})
	if err != nil {
		return err
	}
	defer pulling.Close()
	return pulling.Wait(ctx)
}

// order is a container to be made.
type order struct {
	name        string // of the container and its volume
	server      string
	image       string
	command     []string // instead of the image's; empty for that
	environment []string
	data        string // where the volume is mounted
	mounts      []string
	options     Options
	files       map[string][]byte // in the data directory
	seccomp     string            // profile, JSON; empty for the engine's own
}

func (o *order) labels() map[string]string {
	return map[string]string{labelOwner: string(self()), labelServer: o.server}
}

// create makes a container with its volume, and starts nothing. It is not called off in the middle: nobody would know
// whether there is a container of that name.
func (e *engine) create(ctx context.Context, o *order) (id string, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), engineLimit)
	defer cancel()
	volume := client.VolumeCreateOptions{Name: o.name, Labels: o.labels()}
	if _, err := e.api.VolumeCreate(ctx, volume); err != nil {
		return "", e.explain(err)
	}
	created, err := e.api.ContainerCreate(ctx, client.ContainerCreateOptions{
		Name:       o.name,
		Config:     o.config(),
		HostConfig: o.hostConfig(),
	})
	if err != nil {
		return "", e.explain(err)
	}
	if err := e.copyFiles(ctx, created.ID, o.data, o.files); err != nil {
		return "", errors.Join(err, e.remove(created.ID))
	}
	return created.ID, nil
}

func (o *order) config() *container.Config {
	c := &container.Config{
		Hostname: o.server,
		Image:    o.image,
		Env:      o.environment,
		Labels:   o.labels(),
	}
	if len(o.command) > 0 {
		c.Entrypoint, c.Cmd = o.command[:1], o.command[1:]
	}
	return c
}

func (o *order) hostConfig() *container.HostConfig {
	h := &container.HostConfig{
		NetworkMode: "none",
		DNS:         []netip.Addr{resolverAddress.Addr()},
		Binds:       o.mounts,
		Mounts:      []mount.Mount{{Type: mount.TypeVolume, Source: o.name, Target: o.data}},
	}
	if o.seccomp != "" {
		h.SecurityOpt = []string{"seccomp=" + o.seccomp}
	}
	h.Memory = o.options.Memory
	h.NanoCPUs = int64(o.options.CPUs * 1e9)
	return h
}

// copyFiles puts files into a directory of a container.
func (e *engine) copyFiles(ctx context.Context, id, directory string, files map[string][]byte) error {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		header := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name]))}
		if name == launcherFile {
			header.Mode = 0o755
		}
		if err := w.WriteHeader(header); err != nil {
			return err
		}
		if _, err := w.Write(files[name]); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	_, err := e.api.CopyToContainer(ctx, id, client.CopyToContainerOptions{DestinationPath: directory, Content: &archive})
	return e.explain(err)
}

// start starts a container and returns its process.
func (e *engine) start(ctx context.Context, id string) (pid int, err error) {
	if _, err := e.api.ContainerStart(ctx, id, client.ContainerStartOptions{}); err != nil {
		return 0, e.explain(err)
	}
	c, err := e.api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return 0, e.explain(err)
	}
	return c.Container.State.Pid, nil
}

// ending says how a container ended.
type ending struct {
	code   int64
	oom    bool
	reason error // why that is not known
}

func (e ending) String() string {
	switch {
	case e.reason != nil:
		return e.reason.Error()
	case e.oom:
		return "its memory limit was reached; give it more with --memory"
	default:
		return fmt.Sprintf("its process ended with status %d", e.code)
	}
}

// wait waits for a container that was started to end.
func (e *engine) wait(ctx context.Context, id string) ending {
	waiting := e.api.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	select {
	case end := <-waiting.Result:
		c, err := e.api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
		return ending{code: end.StatusCode, oom: err == nil && c.Container.State.OOMKilled}
	case err := <-waiting.Error:
		return ending{reason: e.explain(err)}
	}
}

// logTailLines is how many of a server's last lines are kept when it fails.
const logTailLines = 20

// logTail returns the last lines that a container has written, oldest first, as far as they are to be had.
func (e *engine) logTail(ctx context.Context, id string) []string {
	logs, err := e.api.ContainerLogs(ctx, id, client.ContainerLogsOptions{
		ShowStdout: true, ShowStderr: true, Tail: fmt.Sprint(logTailLines),
	})
	if err != nil {
		return nil
	}
	defer logs.Close()
	var text bytes.Buffer
	if _, err := stdcopy.StdCopy(&text, &text, logs); err != nil && text.Len() == 0 {
		return nil
	}
	lines := strings.Split(strings.TrimRight(text.String(), "\n"), "\n")
	return lines[max(0, len(lines)-logTailLines):]
}

// stop asks a container's process to end and kills it after a grace period in whole seconds.
func (e *engine) stop(ctx context.Context, id string, grace time.Duration) error {
	// A frozen process hears nothing; one that is not frozen makes this fail, which is as well.
	_, _ = e.api.ContainerUnpause(ctx, id, client.ContainerUnpauseOptions{})
	seconds := int(grace / time.Second)
	_, err := e.api.ContainerStop(ctx, id, client.ContainerStopOptions{Timeout: &seconds})
	return e.explain(err)
}

func (e *engine) pause(ctx context.Context, id string) error {
	_, err := e.api.ContainerPause(ctx, id, client.ContainerPauseOptions{})
	return e.explain(err)
}

func (e *engine) unpause(ctx context.Context, id string) error {
	_, err := e.api.ContainerUnpause(ctx, id, client.ContainerUnpauseOptions{})
	return e.explain(err)
}

// remove ends a container by force and removes it, whether the caller still waits or not.
func (e *engine) remove(id string) error {
	ctx, cancel := context.WithTimeout(context.Background(), engineLimit)
	defer cancel()
	_, err := e.api.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true})
	if errdefs.IsNotFound(err) || errdefs.IsConflict(err) { // gone, or being removed
		return nil
	}
	return e.explain(err)
}

func (e *engine) removeVolume(ctx context.Context, name string) error {
	_, err := e.api.VolumeRemove(ctx, name, client.VolumeRemoveOptions{Force: true})
	if errdefs.IsNotFound(err) {
		return nil
	}
	return e.explain(err)
}
