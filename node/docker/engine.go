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

	"meshsim/node"
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
	mounts      []mount.Mount
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
	options := client.ContainerCreateOptions{Name: o.name, Config: o.config(), HostConfig: o.hostConfig()}
	created, err := e.api.ContainerCreate(ctx, options)
	if errdefs.IsConflict(err) && e.removeOwn(ctx, o.name) { // of an earlier run, which the engine could not be asked to remove
		created, err = e.api.ContainerCreate(ctx, options)
	}
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

// processesLimit bounds the processes and threads of a container, beyond what any homeserver with workers has. A kernel that
// cannot count them has the engine warn.
const processesLimit = 4096

// boundedLog is kept by the engine in files that can be read back, whatever its own default is, and takes 20 MB at most.
var boundedLog = container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "10m", "max-file": "2"}}

func (o *order) hostConfig() *container.HostConfig {
	processes := int64(processesLimit)
	h := &container.HostConfig{
		NetworkMode: "none",
		DNS:         []netip.Addr{resolverAddress.Addr()},
		Mounts:      append([]mount.Mount{{Type: mount.TypeVolume, Source: o.name, Target: o.data}}, o.mounts...),
		LogConfig:   boundedLog,
	}
	h.PidsLimit = &processes
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

// An engine that is killed leaves its containers as they are. It is asked again about one so often, and may be away so long.
const (
	enginePause   = 200 * time.Millisecond
	engineAbsence = 2 * time.Minute
)

// wait waits for a container that was started to end, also where the engine is started again meanwhile.
func (e *engine) wait(ctx context.Context, id string) ending {
	for {
		waiting := e.api.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
		select {
		case end := <-waiting.Result:
			c, err := e.api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
			return ending{code: end.StatusCode, oom: err == nil && c.Container.State.OOMKilled}
		case err := <-waiting.Error:
			if end, over := e.askAgain(ctx, id, err); over {
				return end
			}
		}
	}
}

// askAgain tells whether a container has ended, and how, after waiting for it has failed.
func (e *engine) askAgain(ctx context.Context, id string, cause error) (end ending, over bool) {
	ctx, cancel := context.WithTimeout(ctx, engineAbsence)
	defer cancel()
	pause := time.NewTicker(enginePause)
	defer pause.Stop()
	for {
		select {
		case <-pause.C:
		case <-ctx.Done():
			return ending{reason: e.explain(cause)}, true
		}
		c, err := e.api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
		switch {
		case errdefs.IsNotFound(err):
			return ending{reason: errors.New("its container was removed")}, true
		case err != nil || c.Container.State == nil:
		case c.Container.State.Running:
			return ending{}, false
		default:
			return ending{code: int64(c.Container.State.ExitCode), oom: c.Container.State.OOMKilled}, true
		}
	}
}

// tailBounds are of how many last lines of a log are taken, and how many bytes in all.
type tailBounds struct{ lines, size int }

// What is kept of a log: for who asks once the server has ended, and of that what is told to everybody where it failed.
var (
	keptLog = tailBounds{lines: 200, size: 8 * node.MaxLogLine}
	toldLog = tailBounds{lines: 20, size: 2 * node.MaxLogLine}
)

// logTail returns the last lines that a container has written, oldest first, as far as they are to be had.
func (e *engine) logTail(ctx context.Context, id string) []string {
	logs, err := e.api.ContainerLogs(ctx, id, client.ContainerLogsOptions{
		ShowStdout: true, ShowStderr: true, Tail: fmt.Sprint(keptLog.lines),
	})
	if err != nil {
		return nil
	}
	defer logs.Close()
	var lines []string
	split := lineSplitter{each: func(line string) error {
		if line != "" {
			lines = append(lines, line)
		}
		return nil
	}}
	_, _ = stdcopy.StdCopy(&split, &split, logs) // what came before an error is better than nothing
	_ = split.end()
	return keptLog.of(lines)
}

// of are the last lines that are few and short enough in all.
func (b tailBounds) of(lines []string) []string {
	size, first := 0, len(lines)
	for first > max(0, len(lines)-b.lines) && size+len(lines[first-1]) <= b.size {
		first--
		size += len(lines[first])
	}
	return lines[first:]
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
	switch {
	case errdefs.IsNotFound(err):
		return nil
	case errdefs.IsConflict(err): // it is being removed
		removing := e.api.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: container.WaitConditionRemoved})
		select {
		case <-removing.Result:
			return nil
		case err := <-removing.Error:
			if errdefs.IsNotFound(err) {
				return nil
			}
			return e.explain(err)
		}
	default:
		return e.explain(err)
	}
}

// removeOwn removes the container of a name, and tells whether it has. Those of other processes are left.
func (e *engine) removeOwn(ctx context.Context, name string) bool {
	c, err := e.api.ContainerInspect(ctx, name, client.ContainerInspectOptions{})
	if err != nil || c.Container.Config == nil || owner(c.Container.Config.Labels[labelOwner]) != self() {
		return false
	}
	return e.remove(c.Container.ID) == nil
}

// removeAll removes what this process has made whose names begin so. What it cannot remove is one error.
func (e *engine) removeAll(ctx context.Context, prefix string) error {
	own := make(client.Filters).Add("label", labelOwner+"="+string(self()))
	var errs []error
	containers, err := e.api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: own})
	errs = append(errs, e.explain(err))
	for _, c := range containers.Items {
		if slices.ContainsFunc(c.Names, func(name string) bool { return strings.HasPrefix(name, "/"+prefix) }) {
			errs = append(errs, e.remove(c.ID))
		}
	}
	volumes, err := e.api.VolumeList(ctx, client.VolumeListOptions{Filters: own})
	errs = append(errs, e.explain(err))
	for _, v := range volumes.Items {
		if strings.HasPrefix(v.Name, prefix) {
			errs = append(errs, e.removeVolume(ctx, v.Name))
		}
	}
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("not all containers and volumes could be removed: remove the rest with meshsim clean, once this one has ended (%w)", errs[0])
}

func (e *engine) removeVolume(ctx context.Context, name string) error {
	_, err := e.api.VolumeRemove(ctx, name, client.VolumeRemoveOptions{Force: true})
	if errdefs.IsNotFound(err) {
		return nil
	}
	return e.explain(err)
}
