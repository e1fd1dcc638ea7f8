// Package enginetest is a Docker engine that goes wrong as it is told to, for tests on machines that have none. It answers
// what package docker asks of an engine's HTTP API, on a Unix socket, and runs nothing: the process of its containers has an
// id that no process has.
package enginetest

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
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

	mu      sync.Mutex // guards what follows
	removed int
}

// Removed is how many containers were removed.
func (e *Engine) Removed() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.removed
}

// apiVersion is that of Debian's engine.
const apiVersion = "1.41"

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
	server := httptest.NewUnstartedServer(withoutVersion(e.mux()))
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(func() {
		server.CloseClientConnections() // those that wait for a container to end
		server.Close()
	})
	t.Setenv("DOCKER_HOST", "unix://"+socket)
}

var version = regexp.MustCompile(`^/v[0-9.]+/`)

// withoutVersion takes the version off the paths.
func withoutVersion(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", apiVersion)
		r.URL.Path, r.URL.RawPath = version.ReplaceAllString(r.URL.Path, "/"), ""
		h.ServeHTTP(w, r)
	})
}

// mux knows the requests of the engine's API that package docker makes (Docker Engine API, version 1.41).
func (e *Engine) mux() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("/_ping", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "OK") })
	mux.HandleFunc("GET /containers/json", func(w http.ResponseWriter, _ *http.Request) { answer(w, []any{}) })
	mux.HandleFunc("GET /volumes", func(w http.ResponseWriter, _ *http.Request) { answer(w, map[string]any{"Volumes": []any{}}) })
	mux.HandleFunc("GET /images/", e.inspectImage)
	mux.HandleFunc("POST /images/create", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, "pull access denied for %s", r.URL.Query().Get("fromImage"))
	})
	mux.HandleFunc("POST /volumes/create", e.createVolume)
	mux.HandleFunc("DELETE /volumes/{name}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("POST /containers/create", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusCreated)
		answer(w, map[string]any{"Id": "container"})
	})
	mux.HandleFunc("PUT /containers/{id}/archive", func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	mux.HandleFunc("POST /containers/{id}/start", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /containers/{id}/json", e.inspectContainer)
	mux.HandleFunc("POST /containers/{id}/wait", e.wait)
	mux.HandleFunc("GET /containers/{id}/logs", e.logs)
	mux.HandleFunc("DELETE /containers/{id}", func(w http.ResponseWriter, _ *http.Request) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.removed++
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
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

func (e *Engine) createVolume(w http.ResponseWriter, _ *http.Request) {
	if e.Full {
		refuse(w, http.StatusInternalServerError, "mkdir /var/lib/docker/volumes/x: no space left on device")
		return
	}
	w.WriteHeader(http.StatusCreated)
	answer(w, map[string]any{"Name": "volume"})
}

func (e *Engine) inspectContainer(w http.ResponseWriter, _ *http.Request) {
	answer(w, map[string]any{"Id": "container", "State": map[string]any{"Pid": math.MaxInt32, "OOMKilled": e.OutOfMemory}})
}

func (e *Engine) wait(w http.ResponseWriter, r *http.Request) {
	if e.Running != nil {
		select {
		case <-e.Running:
		case <-r.Context().Done():
			return
		}
	}
	answer(w, map[string]any{"StatusCode": e.Status})
}

// logs answers in frames of what is written to standard error (Docker Engine API, "Attach to a container", stream format).
func (e *Engine) logs(w http.ResponseWriter, _ *http.Request) {
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
