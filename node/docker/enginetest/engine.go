// Package enginetest is a Docker engine that goes wrong as it is told to, for tests on machines that have none. It answers
// what package docker asks of an engine's HTTP API, on a Unix socket, and runs nothing: the process of its containers has an
// id that no process has.
package enginetest

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/moby/moby/api/types/container"
)

// Engine says what goes wrong. The zero value has no image and otherwise a container that ends at once with status 0.
type Engine struct {
	Images      []string // that it has
	Full        bool     // its disk is
	Status      int      // with which a container ends
	OutOfMemory bool     // a container ended because it reached its limit
	Log         string   // what a container has written
	// Running is until when containers run; nil is at once.
	Running <-chan struct{}
	// Creating, where it is not nil, is called before a container is made, which waits for it.
	Creating func()
	// Owners are the owners' labels of what was there before, a container and its volume each, by name.
	Owners map[string]string
	// APIVersion is the only one that it answers in; empty is that of Debian's engine.
	APIVersion string

	mu         sync.Mutex // guards what follows
	containers map[string]*held
	volumes    map[string]labels
	orders     []container.CreateRequest
	removed    int
	absent     int // requests that are not answered yet
	drop       func()
}

// held is a container that the engine has. Its id is its name.
type held struct {
	labels labels
	volume string
	gone   chan struct{} // closed when it is removed
}

type labels map[string]string

// Label of an owner.
const labelOwner = "org.meshsim.owner"

// Orders are the containers that were asked for, in that order.
func (e *Engine) Orders() []container.CreateRequest {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.orders)
}

// Left are the names of what the engine keeps, containers before volumes.
func (e *Engine) Left() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Concat(slices.Sorted(maps.Keys(e.containers)), slices.Sorted(maps.Keys(e.volumes)))
}

// Restart is what clients see of an engine that is killed and started again while its containers run on: their connections
// end, and so many requests after that are not answered.
func (e *Engine) Restart(requests int) {
	e.mu.Lock()
	e.absent = requests
	e.mu.Unlock()
	e.drop()
}

// Removed is how many containers were removed.
func (e *Engine) Removed() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.removed
}

// debianVersion is the API version of Debian's engine.
const debianVersion = "1.41"

// Serve answers until the test ends, and has the environment name the socket (DOCKER_HOST).
func (e *Engine) Serve(t testing.TB) {
	t.Helper()
	directory, err := os.MkdirTemp("", "engine") // short, as a socket's path has 107 bytes at most
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(directory) })
	socket := filepath.Join(directory, "socket")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	e.containers, e.volumes = make(map[string]*held), make(map[string]labels)
	for name, owner := range e.Owners {
		e.volumes[name] = labels{labelOwner: owner}
		e.containers[name] = &held{labels: e.volumes[name], volume: name, gone: make(chan struct{})}
	}
	server := httptest.NewUnstartedServer(e.withoutVersion(e.mux()))
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	e.drop = server.CloseClientConnections
	t.Cleanup(func() {
		server.CloseClientConnections() // those that wait for a container to end
		server.Close()
	})
	t.Setenv("DOCKER_HOST", "unix://"+socket)
}

var version = regexp.MustCompile(`^/v([0-9.]+)/`)

// withoutVersion takes the version off the paths, and refuses another than its own.
func (e *Engine) withoutVersion(h http.Handler) http.Handler {
	own := cmp.Or(e.APIVersion, debianVersion)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		absent := e.absent > 0
		e.absent = max(0, e.absent-1)
		e.mu.Unlock()
		if absent {
			panic(http.ErrAbortHandler) // the connection ends without an answer
		}
		w.Header().Set("Api-Version", own)
		if asked := version.FindStringSubmatch(r.URL.Path); r.URL.Path != "/_ping" && (asked == nil || asked[1] != own) {
			refuse(w, http.StatusBadRequest, "%s is not of API version %s", r.URL.Path, own)
			return
		}
		r.URL.Path, r.URL.RawPath = version.ReplaceAllString(r.URL.Path, "/"), ""
		h.ServeHTTP(w, r)
	})
}

// mux knows the requests of the engine's API that package docker makes (Docker Engine API, version 1.41).
func (e *Engine) mux() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("/_ping", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "OK") })
	mux.HandleFunc("GET /containers/json", e.listContainers)
	mux.HandleFunc("GET /volumes", e.listVolumes)
	mux.HandleFunc("GET /images/", e.inspectImage)
	mux.HandleFunc("POST /images/create", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, "pull access denied for %s", r.URL.Query().Get("fromImage"))
	})
	mux.HandleFunc("POST /volumes/create", e.createVolume)
	mux.HandleFunc("DELETE /volumes/{name}", e.removeVolume)
	mux.HandleFunc("POST /containers/create", e.createContainer)
	mux.HandleFunc("PUT /containers/{id}/archive", func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	mux.HandleFunc("POST /containers/{id}/start", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /containers/{id}/json", e.inspectContainer)
	mux.HandleFunc("POST /containers/{id}/wait", e.wait)
	mux.HandleFunc("GET /containers/{id}/logs", e.logs)
	mux.HandleFunc("DELETE /containers/{id}", e.removeContainer)
	return mux
}

// wanted reads the labels that a list is filtered by.
func wanted(r *http.Request) func(labels) bool {
	var filters struct{ Label map[string]bool }
	_ = json.Unmarshal([]byte(r.URL.Query().Get("filters")), &filters) // without any all are wanted
	return func(have labels) bool {
		for label := range filters.Label {
			key, value, valued := strings.Cut(label, "=")
			if got, ok := have[key]; !ok || valued && got != value {
				return false
			}
		}
		return true
	}
}

func (e *Engine) listContainers(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	list, want := []any{}, wanted(r)
	for name, c := range e.containers {
		if want(c.labels) {
			list = append(list, map[string]any{"Id": name, "Names": []string{"/" + name}, "Labels": c.labels})
		}
	}
	answer(w, list)
}

func (e *Engine) listVolumes(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	list, want := []any{}, wanted(r)
	for name, l := range e.volumes {
		if want(l) {
			list = append(list, map[string]any{"Name": name, "Labels": l})
		}
	}
	answer(w, map[string]any{"Volumes": list})
}

func (e *Engine) createContainer(w http.ResponseWriter, r *http.Request) {
	var order container.CreateRequest
	if err := json.NewDecoder(r.Body).Decode(&order); err != nil {
		refuse(w, http.StatusBadRequest, "%v", err)
		return
	}
	if e.Creating != nil {
		e.Creating()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	name := r.URL.Query().Get("name")
	if e.containers[name] != nil {
		refuse(w, http.StatusConflict, "Conflict. The container name %q is already in use", "/"+name)
		return
	}
	e.orders = append(e.orders, order)
	e.containers[name] = &held{labels: order.Labels, volume: order.HostConfig.Mounts[0].Source, gone: make(chan struct{})}
	w.WriteHeader(http.StatusCreated)
	answer(w, map[string]any{"Id": name})
}

func (e *Engine) removeContainer(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	id := r.PathValue("id")
	c := e.containers[id]
	if c == nil {
		refuse(w, http.StatusNotFound, "No such container: %s", id)
		return
	}
	delete(e.containers, id)
	close(c.gone)
	e.removed++
	w.WriteHeader(http.StatusNoContent)
}

func (e *Engine) removeVolume(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	name := r.PathValue("name")
	for id, c := range e.containers {
		if c.volume == name {
			refuse(w, http.StatusConflict, "remove %s: volume is in use - [%s]", name, id)
			return
		}
	}
	delete(e.volumes, name)
	w.WriteHeader(http.StatusNoContent)
}

func (e *Engine) inspectImage(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/images/"), "/json")
	for _, image := range e.Images {
		if image == name {
			answer(w, map[string]any{"Id": "image", "Architecture": runtime.GOARCH})
			return
		}
	}
	refuse(w, http.StatusNotFound, "No such image: %s", name)
}

func (e *Engine) createVolume(w http.ResponseWriter, r *http.Request) {
	if e.Full {
		refuse(w, http.StatusInternalServerError, "mkdir /var/lib/docker/volumes/x: no space left on device")
		return
	}
	var order struct {
		Name   string
		Labels labels
	}
	if err := json.NewDecoder(r.Body).Decode(&order); err != nil {
		refuse(w, http.StatusBadRequest, "%v", err)
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.volumes[order.Name] = order.Labels
	w.WriteHeader(http.StatusCreated)
	answer(w, map[string]any{"Name": order.Name})
}

// held returns a container, or refuses.
func (e *Engine) held(w http.ResponseWriter, r *http.Request) *held {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.containers[r.PathValue("id")]
	if c == nil {
		refuse(w, http.StatusNotFound, "No such container: %s", r.PathValue("id"))
	}
	return c
}

func (e *Engine) inspectContainer(w http.ResponseWriter, r *http.Request) {
	c := e.held(w, r)
	if c == nil {
		return
	}
	running := e.Running != nil
	select {
	case <-e.Running:
		running = false
	default:
	}
	answer(w, map[string]any{"Id": r.PathValue("id"), "Config": map[string]any{"Labels": c.labels}, "State": map[string]any{
		"Running": running, "ExitCode": e.Status, "Pid": math.MaxInt32, "OOMKilled": e.OutOfMemory,
	}})
}

func (e *Engine) wait(w http.ResponseWriter, r *http.Request) {
	c := e.held(w, r)
	if c == nil {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.(http.Flusher).Flush() // the answer begins at once, and ends with the container
	if e.Running != nil {
		select {
		case <-e.Running:
		case <-c.gone:
		case <-r.Context().Done():
			return
		}
	}
	answer(w, map[string]any{"StatusCode": e.Status})
}

// logs answers in frames of what is written to standard error (Docker Engine API, "Attach to a container", stream format).
func (e *Engine) logs(w http.ResponseWriter, r *http.Request) {
	if e.held(w, r) == nil {
		return
	}
	head := [8]byte{2}
	binary.BigEndian.PutUint32(head[4:], uint32(len(e.Log)))
	_, _ = w.Write(append(head[:], e.Log...))
}

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // whoever does not read it is gone
}

func refuse(w http.ResponseWriter, status int, format string, values ...any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	answer(w, map[string]any{"message": fmt.Sprintf(format, values...)})
}
